// The views, and what they have in common: the list of styles.

import { attempt, get } from "./ask.js";
import { openQueue } from "./queue.js";
import { openTrain } from "./train.js";
import { openTry } from "./try.js";

const views = ["try", "queue", "train"];

export function show(view) {
  for (const name of views) {
    document.getElementById(`view-${name}`).hidden = name !== view;
    const tab = document.querySelector(`nav [data-view=${name}]`);
    name === view ? tab.setAttribute("aria-current", "page") : tab.removeAttribute("aria-current");
  }
  history.replaceState(null, "", `#${view}`);
}

for (const name of views) {
  document.querySelector(`nav [data-view=${name}]`).addEventListener("click", () => show(name));
}
const named = () => views.find((name) => `#${name}` === location.hash) ?? "try";
show(named());
addEventListener("hashchange", () => show(named()));
// A file that misses its place must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

attempt(async () => {
  const state = await get("/api/state");
  const tried = openTry(state, show);
  openQueue(async (ended) => {
    if (ended.settings.train) tried.setStyles((await get("/api/state")).styles);
  }, (job) => { tried.restore(job.settings); show("try"); });
  openTrain(state);
  document.body.dataset.ready = "yes";
});
