// Trying: a picture, a style, sliders; the draft first, then the full size.

import { attempt, element, fileAddress, post, postRaw, say, takesDrops, upload } from "./ask.js";

const SLIDERS = ["strength", "style_scale", "temporal_blend"];
const FULL_AFTER = 350; // milliseconds without a change
const KEPT_AS = "nst-studio-try";
const $ = (id) => document.getElementById(id);

export function openTry(state, show) {
  let styles = [...state.styles]; // {id, name}
  let pictures = []; // of the user's, as styles: {file, name}
  let source = null; // {file, name, kind, size, seconds}
  let style = styles[0]?.id;
  let regions = []; // [classes, style]
  let seen = [];
  let kept = {}; // options of a loaded file that have no control here
  let drafting = false, again = false, refused = false, fullTimer, run = 0, shownUrl;

  const every = () => [...styles.map(({ id, name }) => ({ id, name: name[0].toUpperCase() + name.slice(1) })), ...pictures.map((p) => ({ id: `picture:${p.file}`, name: p.name }))];

  function settings() {
    const options = {
      ...kept,
      strength: Number($("strength").value),
      style_scale: Math.round(1000 * 2 ** Number($("style_scale").value)) / 1000,
      preserve_color: $("preserve_color").value,
      temporal_blend: Number($("temporal_blend").value),
    };
    if ($("long_side").value) options.long_side = Number($("long_side").value);
    const mix = Number($("mix").value), second = $("blend").value;
    const chosen = second ? [[style, mix], [second, Math.round((1 - mix) * 100) / 100]] : [[style, 1]];
    return {
      source: source?.file ?? "", styles: style ? chosen : [], regions, options,
      second: Number($("second").value),
    };
  }

  function changed() {
    tell();
    try { sessionStorage.setItem(KEPT_AS, JSON.stringify({ settings: settings(), pictures })); } catch { /* full: not kept */ }
    if (!source) return;
    run += 1;
    clearTimeout(fullTimer);
    again = true;
    if (!drafting) draft();
  }

  async function draft() {
    drafting = true;
    while (again) {
      again = false;
      const mine = run, wanted = settings();
      status("painting a draft …");
      try {
        const answer = await postRaw("try", wanted);
        if (answer.status === 200) await place(answer, "draft");
        else if (mine === run) again = true; // another page's came between
        if (refused) say("");
        refused = false;
        if (mine !== run) continue;
        $("command").value = (await post("command", wanted)).command;
        fullTimer = setTimeout(() => full(mine), FULL_AFTER);
      } catch (error) {
        say(error.message);
        status("");
        refused = true;
      }
    }
    drafting = false;
  }

  function full(mine) {
    attempt(async () => {
      status("painting at full size …");
      const answer = await postRaw("try", { ...settings(), full: true });
      if (mine === run && answer.status === 200) await place(answer, "full");
    });
  }

  async function place(answer, kind) {
    const url = URL.createObjectURL(await answer.blob());
    const image = new Image();
    image.src = url;
    await image.decode();
    $("painted").src = url;
    if (shownUrl) URL.revokeObjectURL(shownUrl);
    shownUrl = url;
    $("painted").dataset.kind = kind;
    status(kind === "full" ? `${image.naturalWidth} × ${image.naturalHeight} pixels` : "draft");
    const lines = JSON.parse(answer.headers.get("X-Warnings") || "[]");
    $("warnings").replaceChildren(...lines.map((line) => element("li", {}, line)));
  }

  function status(text) { $("status").textContent = text; }

  // ---- what is shown of the settings

  function tell() {
    $("strength-text").textContent = `${Math.round($("strength").value * 100)} %`;
    $("style_scale-text").textContent = `× ${(2 ** Number($("style_scale").value)).toPrecision(2)}`;
    $("temporal_blend-text").textContent = `${Math.round($("temporal_blend").value * 100)} %`;
    $("mix-text").textContent = `${Math.round($("mix").value * 100)} %`;
    $("second-text").textContent = `${Number($("second").value).toFixed(2)} s`;
    $("mix-row").hidden = !$("blend").value;
    const video = source?.kind === "video";
    $("steadiness").hidden = $("timeline").hidden = $("report-row").hidden = !video;
    $("wipe").classList.toggle("timed", video);
    $("save").disabled = $("enqueue").disabled = $("copy").disabled = $("save-settings").disabled = !source;
    $("save").textContent = source && source.kind !== "picture" ? "Save this frame" : "Save the picture";
    $("enqueue").hidden = source?.kind === "picture";
    $("enqueue").textContent = source?.kind === "folder" ? "Queue the folder" : "Queue the video";
    for (const tile of $("styles").querySelectorAll("button")) {
      tile.setAttribute("aria-pressed", String(tile.dataset.style === style));
    }
  }

  function drawStyles() {
    const tiles = every().map(({ id, name }) => {
      const image = id.startsWith("picture:")
        ? `/api/preview?${new URLSearchParams({ file: id.slice(8), side: 160 })}`
        : `/api/thumbnail?${new URLSearchParams({ style: id })}`;
      return element("button", {
        type: "button", class: "style", "data-style": id, title: name,
        onclick: () => { style = id; if ($("blend").value === id) $("blend").value = ""; changed(); },
      }, element("img", { src: image, alt: "", loading: "lazy" }), element("span", {}, name));
    });
    const input = element("input", { type: "file", accept: "image/*", class: "hidden-file", id: "style-file", onchange: (event) => addStyles([...event.target.files]) });
    tiles.push(element("label", { class: "button style add" }, element("b", {}, "+"), element("span", {}, "Your own picture"), input));
    $("styles").replaceChildren(...tiles);
    const before = $("blend").value;
    $("blend").replaceChildren(element("option", { value: "" }, "nothing"), ...options(every()));
    $("blend").value = every().some((each) => each.id === before) ? before : "";
    drawRegions();
    tell();
  }

  function options(list) {
    return list.map(({ id, name }) => element("option", { value: id }, name));
  }

  function drawRegions() {
    const names = [...new Set([...seen.map((s) => s.name), ...state.groups, "background", ...regions.map(([c]) => c)])];
    $("regions").replaceChildren(...regions.map(([classes, chosen], at) => {
      const what = element("select", { "aria-label": "Part of the picture", onchange: (e) => { regions[at][0] = e.target.value; changed(); } },
        ...names.map((name) => element("option", { value: name }, name)));
      const how = element("select", { "aria-label": `Style of ${classes}`, onchange: (e) => { regions[at][1] = e.target.value; changed(); } },
        element("option", { value: "original" }, "as it is"), ...options(every()));
      what.value = classes;
      how.value = chosen;
      const away = element("button", { type: "button", "aria-label": `Remove the region ${classes}`, onclick: () => { regions.splice(at, 1); drawRegions(); changed(); } }, "✕");
      return element("div", { class: "region" }, what, how, away);
    }));
  }

  function addRegion(name) {
    if (!regions.some(([classes]) => classes === name)) regions.push([name, "original"]);
    drawRegions();
    changed();
  }

  // ---- files

  async function openSource(file) {
    await attempt(async () => {
      status("");
      document.body.classList.add("busy");
      const medium = file instanceof Blob
        ? await upload(file, null, (part) => say(part < 1 ? `loading ${file.name}: ${Math.round(part * 100)} %` : ""))
        : await post("open", { file });
      setSource(medium);
      changed();
    });
  }

  function setSource(medium) {
    source = medium;
    seen = [];
    $("seen").replaceChildren();
    $("drop").hidden = Boolean(medium);
    $("viewer").hidden = !medium;
    closeCamera();
    if (!medium) { tell(); return; }
    $("second").max = Math.max(0, (medium.seconds ?? 0) - 0.05);
    $("second").value = 0;
    drawOriginal();
    $("painted").removeAttribute("src");
    tell();
  }

  function drawOriginal() {
    $("original").src = `/api/preview?${new URLSearchParams({ file: source.file, second: $("second").value, side: 1600 })}`;
  }

  async function addStyles(files) {
    for (const file of files) {
      await attempt(async () => {
        const medium = await upload(file, "style");
        pictures.push({ file: medium.file, name: medium.name });
        style = `picture:${medium.file}`;
        drawStyles();
        changed();
      });
    }
  }

  function restore(saved) {
    const found = saved.settings ?? saved;
    attempt(async () => {
      for (const [id] of [...found.styles, ...found.regions.map(([, s]) => [s])]) {
        const file = id.startsWith("picture:") && id.slice(8);
        if (file && !pictures.some((p) => p.file === file)) pictures.push({ file, name: file.split("/").at(-1) });
      }
      const { strength = 1, style_scale = 1, temporal_blend = state.temporal_blend, preserve_color = "none", long_side = "", ...rest } = found.options;
      kept = rest;
      $("strength").value = strength;
      $("style_scale").value = Math.log2(style_scale);
      $("temporal_blend").value = temporal_blend;
      $("preserve_color").value = preserve_color;
      if (long_side && ![...$("long_side").options].some((o) => o.value === String(long_side))) {
        $("long_side").append(element("option", { value: long_side }, `${long_side} pixels`));
      }
      $("long_side").value = String(long_side ?? "");
      regions = found.regions.map((pair) => [...pair]);
      style = found.styles[0]?.[0] ?? style;
      drawStyles();
      $("blend").value = found.styles[1]?.[0] ?? "";
      $("mix").value = found.styles[1] ? found.styles[0][1] / (found.styles[0][1] + found.styles[1][1]) : 0.5;
      if (found.source && found.source !== source?.file) setSource(await post("open", { file: found.source }));
      if (found.second) { $("second").value = found.second; drawOriginal(); }
      changed();
      if (found.left_out?.length) say(`not set on this page, and left out: ${found.left_out.join(", ")}`);
    });
  }

  // ---- camera

  let stream;
  async function openCamera() {
    await attempt(async () => {
      if (!navigator.mediaDevices) throw new Error("this browser gives no camera to this page");
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
      } catch (error) { throw new Error(`the camera gives no picture: ${error.message}`); }
      $("camera-video").srcObject = stream;
      $("camera").hidden = false;
      $("drop").hidden = true;
      $("camera-take").focus();
    });
  }

  function closeCamera() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    $("camera").hidden = true;
    $("drop").hidden = Boolean(source);
  }

  function takePhoto() {
    const video = $("camera-video"), canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => openSource(new File([blob], "camera.jpg")), "image/jpeg", 0.95);
  }

  // ---- events

  for (const id of [...SLIDERS, "mix"]) $(id).addEventListener("input", changed);
  for (const id of ["preserve_color", "long_side"]) $(id).addEventListener("change", changed);
  $("blend").addEventListener("change", changed);
  let secondTimer;
  $("second").addEventListener("input", () => {
    tell();
    clearTimeout(secondTimer);
    secondTimer = setTimeout(() => { drawOriginal(); changed(); }, 150);
  });
  $("source-file").addEventListener("change", (event) => {
    if (event.target.files[0]) openSource(event.target.files[0]);
    event.target.value = "";
  });
  $("other-source").addEventListener("click", () => { setSource(null); $("source-file").focus(); });
  takesDrops($("drop"), ([file]) => openSource(file));
  takesDrops($("viewer"), ([file]) => openSource(file));
  takesDrops($("styles"), addStyles);
  if (state.folder.length) {
    $("folder").replaceChildren(element("option", { value: "" }, "choose …"),
      ...state.folder.map((name) => element("option", { value: name }, name.slice(7))));
    $("folder-row").hidden = false;
    $("folder").addEventListener("change", () => $("folder").value && openSource($("folder").value));
  }
  $("original").addEventListener("load", () => {
    $("wipe").style.setProperty("--ratio", $("original").naturalWidth / $("original").naturalHeight);
  });
  $("wipe-at").addEventListener("input", () => $("wipe").style.setProperty("--at", `${$("wipe-at").value}%`));
  $("camera-open").addEventListener("click", openCamera);
  $("camera-close").addEventListener("click", closeCamera);
  $("camera-take").addEventListener("click", takePhoto);
  $("region-click").addEventListener("click", () => {
    const on = $("wipe").classList.toggle("picking");
    $("region-click").setAttribute("aria-pressed", String(on));
    status(on ? "click on the part that takes a style of its own" : "");
  });
  $("wipe").addEventListener("click", (event) => {
    if (!$("wipe").classList.contains("picking")) return;
    const box = $("wipe").getBoundingClientRect();
    attempt(async () => {
      const place = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
      const { name } = await post("at", { ...settings(), ...place });
      $("region-click").click();
      addRegion(name);
    });
  });
  $("region-seen").addEventListener("click", () => attempt(async () => {
    if (!source) throw new Error("open a picture first");
    seen = await post("seen", settings());
    $("seen").replaceChildren(...seen.map(({ name, fraction }) => element("button", { type: "button", onclick: () => addRegion(name) },
      `${name} ${Math.max(1, Math.round(fraction * 100))} %`)));
    drawRegions();
  }));
  $("save").addEventListener("click", () => attempt(async () => {
    const saved = await post("save", settings());
    element("a", { href: `${fileAddress(saved.file)}?download`, download: saved.name }).click();
    status(`saved as ${saved.name}`);
  }));
  $("enqueue").addEventListener("click", () => attempt(async () => {
    await post("queue", { ...settings(), report: $("report").checked });
    dispatchEvent(new Event("queued"));
    show("queue");
  }));
  $("copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText($("command").value); }
    catch { $("command").select(); document.execCommand("copy"); }
    status("the command is copied");
  });
  $("save-settings").addEventListener("click", () => attempt(async () => {
    const { toml } = await post("command", settings());
    const url = URL.createObjectURL(new Blob([toml], { type: "application/toml" }));
    element("a", { href: url, download: "settings.toml" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }));
  $("open-settings").addEventListener("change", (event) => attempt(async () => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) restore(await post("restore", { text: await file.text() }));
  }));

  $("temporal_blend").value = state.temporal_blend;
  drawStyles();
  for (const line of state.broken) say(line);
  try {
    const before = JSON.parse(sessionStorage.getItem(KEPT_AS) || "null");
    if (before) { pictures = before.pictures; restore(before.settings); }
  } catch { /* nothing kept, or of an older page */ }

  return { restore, setStyles: (found) => { styles = [...found]; drawStyles(); } };
}
