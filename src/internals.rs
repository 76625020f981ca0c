//! What homer's own tests and benches hold against each other and time. It is no part of the interface, and
//! changes at any time.

pub use crate::corpus::dataset::{Dataset, DatasetSettings};
pub use crate::corpus::prepare::texts;
pub use crate::dialogue::{Said, read_judged};
pub use crate::files::{read_json, read_jsonl, write_json};
pub use crate::fingerprint::{checksum, of_bytes};
pub use crate::hf::checkpoint::{Checkpoint, HeadKind};
pub use crate::hf::export::{model_settings, save_bi_encoder, save_cross_encoder};
pub use crate::hf::folder::make_encoder;
pub use crate::hf::hub::{HubEnv, resolve_in};
pub use crate::hf::tensors::{Named, read_safetensors, write_safetensors};
pub use crate::hf::testing::{tiny_config, tiny_encoder_folder, tiny_vocab};
pub use crate::hf::tokenizer::Tokenizer;
pub use crate::index::search::top_k;
pub use crate::index::testing::{grown_index, sample_index};
pub use crate::index::{Index, Nearest};
pub use crate::model::bi_encoder::BiEncoder;
pub use crate::model::cross_encoder::CrossEncoder;
pub use crate::nn::config::{Config, Family};
pub use crate::nn::dropout::{Mask, Site};
pub use crate::nn::encoder::{Encoder, Pooling};
pub use crate::nn::head::{Head, head_specs, pooler_specs};
pub use crate::nn::kernels;
pub use crate::nn::optimizer::AdamW;
pub use crate::nn::packed::{Packed, Tokens};
pub use crate::nn::weights::{Layout, Spec, Values, Weights, encoder_specs};
pub use crate::project::verdict::CrossVerdict;
pub use crate::ranker::{LinearRanker, Seen};
pub use crate::store::{Loader, Owner, Stored};
pub use crate::text::clean::{clean, tidy};
pub use crate::text::mojibake::repair;
pub use crate::text::name::{clean_name, name_key};
pub use crate::text::normalize::normalized;
pub use crate::text::printable::{is_hidden, printable, printable_lines};
pub use crate::train::bi::train_bi;
pub use crate::train::bi_task::{BiTask, BiTaskSettings};
pub use crate::train::checkpoint::{
    State, restore as restore_checkpoint, write as write_checkpoint,
};
pub use crate::train::cross::train_cross;
pub use crate::train::cross_task::{CrossTask, CrossTaskSettings, Material};
pub use crate::train::job::Training;
pub use crate::train::losses::Ranking;
pub use crate::train::run::MetricsRow;
pub use crate::train::settings::Data;
pub use crate::train::task::Task;
