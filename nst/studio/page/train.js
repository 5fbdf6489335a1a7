// Learning new styles from pictures.

import { attempt, element, post, takesDrops, upload } from "./ask.js";

export function openTrain(state) {
  const pictures = [];
  const start = document.getElementById("train-start");
  const minutes = document.getElementById("minutes");

  async function add(files) {
    for (const file of files) {
      await attempt(async () => { pictures.push(await upload(file, "style")); });
    }
    draw();
  }

  function draw() {
    document.getElementById("train-pictures").replaceChildren(...pictures.map((picture, at) => element(
      "figure", {},
      element("img", { src: `/api/preview?${new URLSearchParams({ file: picture.file, side: 184 })}`, alt: "" }),
      element("figcaption", {}, picture.name.replace(/\.\w+$/, "").replaceAll("_", " ")),
      element("button", { type: "button", "aria-label": `Leave out ${picture.name}`, onclick: () => { pictures.splice(at, 1); draw(); } }, "Leave out"),
    )));
    start.disabled = !pictures.length;
  }

  function tell() {
    document.getElementById("minutes-text").textContent = minutes.value;
  }

  document.getElementById("train-files").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
  takesDrops(document.getElementById("train-drop"), add);
  minutes.addEventListener("input", tell);
  start.addEventListener("click", () => attempt(async () => {
    start.disabled = true;
    try {
      await post("train", {
        pictures: pictures.map((picture) => picture.file),
        photos: document.getElementById("photos").value,
        minutes: Number(minutes.value),
      });
      pictures.length = 0;
      dispatchEvent(new Event("queued"));
    } finally { draw(); }
  }));
  document.getElementById("photos").append(...state.folders.map((name) => element(
    "option", { value: name }, name === "folder" ? "all of the folder" : name.slice(7))));
  tell();
}
