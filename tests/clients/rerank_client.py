"""Clients of Cohere's and Jina's reranking against a homer: `rerank_client.py http://127.0.0.1:PORT`."""

import sys
from importlib.metadata import version

import cohere
from langchain_community.document_compressors import JinaRerank
from langchain_core.documents import Document

base = sys.argv[1]
documents = ["The soup is cold.", "Have you seen my hat?", "I have lost my hat, and it was a good hat.", "Nobody rang."]
query = "Where is my hat?"
checks = 0


def check(what, holds):
    global checks
    assert holds, what
    checks += 1


for client in (cohere.Client("none", base_url=base), cohere.ClientV2("none", base_url=base)):
    ranking = client.rerank(model="homer", query=query, documents=documents, top_n=3)
    results = ranking.results
    check("three of four", len(results) == 3)
    check("the best first", results[0].index in (1, 2) and results[0].relevance_score >= results[1].relevance_score)

jina = JinaRerank(jina_api_key="none", model="homer", top_n=2)
# The address is a constant of its module.
import langchain_community.document_compressors.jina_rerank as module

module.JINA_API_URL = base + "/v1/rerank"
ranked = jina.compress_documents([Document(page_content=text) for text in documents], query)
check("two of four", len(ranked) == 2)
check("about the hat", all("hat" in one.page_content for one in ranked))
check("with scores", ranked[0].metadata["relevance_score"] >= ranked[1].metadata["relevance_score"])
print(f"cohere {version('cohere')}, langchain-community {version('langchain-community')}: {checks} passed, 0 failed")
