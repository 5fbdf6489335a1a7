// The queue: jobs with their progress, and results. Training runs are shown in their own view too.

import { attempt, element, fileAddress, get, post } from "./ask.js";

const UNFINISHED = ["waiting", "running", "paused"];
const COLORS = { total: "#e9b44c", style: "#7fb4e6", content: "#9fd69a", identity: "#c79be0" };

export function openQueue(onEnd, onRestore) {
  const states = new Map();
  const cards = new Map();
  let timer;

  async function refresh() {
    clearTimeout(timer);
    let wait = 2000;
    try {
      const jobs = await get("/api/jobs");
      draw(jobs);
      for (const job of jobs) {
        const before = states.get(job.id);
        if (before && before !== job.state && !UNFINISHED.includes(job.state)) onEnd(job);
        states.set(job.id, job.state);
      }
      if (jobs.some((job) => job.state === "running")) wait = 700;
    } catch { /* the program is away: asked again */ }
    timer = setTimeout(refresh, wait);
  }

  function draw(jobs) {
    const active = jobs.filter((job) => UNFINISHED.includes(job.state)).length;
    const count = document.getElementById("queue-count");
    count.hidden = !active;
    count.textContent = active;
    document.getElementById("queue-empty").hidden = jobs.length > 0;
    place("jobs", jobs);
    place("lessons", jobs.filter((job) => job.settings.train));
  }

  // Cards are made anew only where more than the progress changed: a video plays on, a click hits.
  function place(listName, jobs) {
    const list = document.getElementById(listName);
    const wanted = jobs.map((job) => {
      const key = `${listName}/${job.id}`;
      const { standing, losses, sheet, ...rest } = job;
      const text = JSON.stringify(rest);
      if (cards.get(key)?.text !== text) {
        const old = cards.get(key)?.node;
        const focused = old?.contains(document.activeElement);
        const node = card(job);
        cards.set(key, { text, node });
        if (old?.querySelector("details")?.open) node.querySelector("details").open = true;
        old?.replaceWith(node);
        if (focused) node.querySelector("button")?.focus();
      }
      const { node } = cards.get(key);
      node.advance(job);
      return node;
    });
    if (wanted.length !== list.children.length || wanted.some((node, i) => list.children[i] !== node)) {
      list.replaceChildren(...wanted);
    }
  }

  function act(job, name) {
    return attempt(async () => { await post("job", { id: job.id, act: name }); await refresh(); });
  }

  function card(job) {
    const busy = ["running", "paused"].includes(job.state);
    const acts = {
      waiting: ["pause", "cancel"], running: ["pause", "cancel"], paused: ["resume", "cancel"],
      failed: ["resume", "remove"], canceled: ["resume", "remove"], done: ["remove"],
    }[job.state];
    const buttons = acts.map((name) => element(
      "button", { type: "button", "data-act": name, onclick: () => act(job, name) },
      name === "resume" && job.state === "failed" ? "Try again" : name[0].toUpperCase() + name.slice(1),
    ));
    if (job.settings.source) buttons.push(element(
      "button", { type: "button", onclick: () => onRestore(job) }, "Use these settings",
    ));
    const done = job.state === "done" && job.file;
    if (done && /\.\w+$/.test(job.name)) {
      buttons.push(element("a", { class: "button", href: `${fileAddress(job.file)}?download`, download: job.name }, "Download"));
    }
    const node = element("li", { class: "job", "data-job": job.id, "data-state": job.state },
      element("div", { class: "top" }, element("h3", {}, job.title), element("span", { class: `state ${job.state}` }, job.state)));
    const bar = element("progress", { max: "1", "aria-label": `Progress of ${job.title}` });
    const words = element("p", { class: "line" });
    const curves = element("div");
    const sheet = element("img", { class: "sheet", hidden: true, alt: "Photos, the net without a style, and each style so far" });
    node.advance = ({ standing = {}, losses, sheet: step }) => {
      if (standing.fraction != null) bar.value = standing.fraction;
      words.textContent = [standing.stage, standing.left && `${standing.left} left`, standing.note].filter(Boolean).join(" · ") || "starting";
      if (losses) curves.replaceChildren(...chart(losses));
      const source = `/api/sheet/${job.id}?${step}`;
      if (step != null && sheet.getAttribute("src") !== source) sheet.src = source;
      sheet.hidden = step == null;
    };
    if (busy) node.append(bar, words);
    if (job.line && !busy) node.append(element("p", { class: `line ${job.state}` }, job.line));
    if (job.settings.train) node.append(curves, sheet);
    if (done && /\.(mp4|webm|mov)$/.test(job.name)) {
      node.append(element("video", { src: fileAddress(job.file), controls: true, loop: true, preload: "metadata", playsinline: true }));
    } else if (done && /\.(png|jpe?g|webp|gif)$/.test(job.name)) {
      node.append(element("img", { class: "result", src: fileAddress(job.file), alt: job.title }));
    }
    node.append(element("p", { class: "buttons" }, ...buttons),
      element("details", {}, element("summary", {}, "Command line"), element("code", {}, job.command)));
    return node;
  }

  refresh();
  addEventListener("queued", refresh);
}

function chart(losses) {
  const names = ["total", "style", "content", "identity"].filter((name) => losses[name]?.length > 1);
  if (!names.length) return [];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "chart");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Losses over the steps");
  const all = names.flatMap((name) => losses[name]);
  const last = Math.max(...all.map(([step]) => step), 1);
  const top = Math.log(Math.max(...all.map(([, value]) => value), 1e-6));
  const low = Math.log(Math.max(Math.min(...all.map(([, value]) => value)), 1e-6));
  for (const name of names) {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("stroke", COLORS[name]);
    line.setAttribute("points", losses[name].map(([step, value]) =>
      `${(step / last) * 100},${4 + 92 * (1 - (Math.log(Math.max(value, 1e-6)) - low) / (top - low || 1))}`).join(" "));
    svg.append(line);
  }
  const keys = element("p", { class: "keys" }, ...names.map((name) => {
    const square = element("i");
    square.style.background = COLORS[name];
    return element("span", {}, square, `${name} ${losses[name].at(-1)[1].toPrecision(3)}`);
  }), element("span", {}, `step ${last}`));
  return [svg, keys];
}
