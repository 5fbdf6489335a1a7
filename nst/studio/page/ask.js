// Requests to the program behind the page, and the one line that says what was wrong.

const HEADERS = { "X-NST-Studio": "1" };

export function say(text) {
  const message = document.getElementById("message");
  message.textContent = text;
  message.hidden = !text;
}

async function checked(response) {
  if (response.ok) return response;
  const text = await response.text();
  let line = text;
  try { line = JSON.parse(text).error; } catch { /* not JSON: the text itself */ }
  throw new Error(line || `the program answers ${response.status}`);
}

export async function get(path) {
  return (await checked(await fetch(path))).json();
}

export async function post(name, data) {
  return (await postRaw(name, data)).json();
}

export async function postRaw(name, data) {
  const body = JSON.stringify(data);
  return checked(await fetch(`/api/${name}`, { method: "POST", headers: HEADERS, body }));
}

// Where a file of the page's is read.
export function fileAddress(name) {
  return `/file/${name.split("/").map(encodeURIComponent).join("/")}`;
}

// Sends a file as it is read from the disk; `wanted` may be "style".
export function upload(file, wanted, onPart) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const query = new URLSearchParams({ name: file.name || "camera.jpg" });
    if (wanted) query.set("wanted", wanted);
    request.open("PUT", `/api/upload?${query}`);
    request.setRequestHeader("X-NST-Studio", "1");
    request.upload.onprogress = (event) => onPart?.(event.loaded / event.total);
    request.onerror = () => reject(new Error("the program does not answer: is it still open?"));
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { answer = { error: request.responseText }; }
      request.status < 300 ? resolve(answer) : reject(new Error(answer.error));
    };
    request.send(file);
  });
}

// Runs what a click asks for, and says what went wrong.
export async function attempt(work) {
  try {
    say("");
    return await work();
  } catch (error) {
    say(error.message === "Failed to fetch" ? "the program does not answer: is it still open?" : error.message);
  }
}

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

// Lets files be dropped on an element.
export function takesDrops(target, onFiles) {
  const stop = (event) => { event.preventDefault(); event.stopPropagation(); };
  target.addEventListener("dragover", (event) => { stop(event); target.classList.add("over"); });
  target.addEventListener("dragleave", () => target.classList.remove("over"));
  target.addEventListener("drop", (event) => {
    stop(event);
    target.classList.remove("over");
    if (event.dataTransfer.files.length) onFiles([...event.dataTransfer.files]);
  });
}
