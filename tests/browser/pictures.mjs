// The page's pictures for the README: `HOMER=… node pictures.mjs`.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Visitor, launch, serve } from "./harness.mjs";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../docs/pictures");
const [browser, server] = [await launch(), await serve([], {}, [])];
for (const colorScheme of ["light", "dark"]) {
  for (const [name, width, height] of [["page", 900, 680], ["page-phone", 375, 680]]) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const visitor = await Visitor.at(context, server.url);
    await visitor.says("Who are you?");
    await visitor.says("Can you cook?");
    if (name === "page") await visitor.button("Why this?").click();
    await visitor.page.locator("main").evaluate((main, why) => {
      // The last question stands above.
      const turn = main.querySelector(".turn:last-of-type");
      main.scrollTop = why ? turn.offsetTop - main.offsetTop - 12 : main.scrollHeight;
    }, name === "page");
    await visitor.page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    await context.close();
  }
}
await browser.close();
server.close();
