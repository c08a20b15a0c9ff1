"use strict";

const section = (id) => document.getElementById(id);
const milliseconds = (since) => `${Math.round(performance.now() - since)} ms`;

function show(card, live, state) {
  card.classList.toggle("live", live);
  card.querySelector(".state").textContent = state;
}

// The browser itself reconnects an event stream that was cut off.
function watchEvents(card) {
  const source = new EventSource("/events");
  source.onopen = () => show(card, true, "live: one event a second");
  source.onerror = () => show(card, false, "connecting again");
  source.onmessage = (event) => (card.querySelector("output").textContent = event.data);
}

function connectEcho(card) {
  const [form, log, button] = ["form", ".log", "button"].map((name) => card.querySelector(name));
  const sent = []; // when each message that was not answered yet left: answers come in order
  const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/echo`);

  socket.onopen = () => {
    button.disabled = false;
    show(card, true, "open");
  };
  socket.onmessage = (event) => {
    const [line, time] = [document.createElement("li"), document.createElement("small")];
    time.textContent = ` ${milliseconds(sent.shift())}`;
    line.append(`← ${event.data}`, time);
    log.append(line);
    if (log.children.length > 3) log.firstChild.remove();
  };
  socket.onclose = () => {
    button.disabled = true;
    show(card, false, "closed: opening again");
    setTimeout(connectEcho, 1000, card);
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (button.disabled || !form.text.value) return;
    sent.push(performance.now());
    socket.send(form.text.value);
    form.text.select();
  };
}

function onClick(card, busy, action) {
  const [button, result] = [card.querySelector("button"), card.querySelector("output")];
  button.onclick = async () => {
    button.disabled = true;
    result.textContent = busy;
    try {
      result.textContent = await action();
    } catch (error) {
      result.textContent = `Failed: ${error.message}`;
    } finally {
      button.disabled = false;
    }
  };
}

async function ask(path, options) {
  const response = await fetch(path, options);
  const text = (await response.text()).trim();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return text;
}

async function wait() {
  const start = performance.now();
  const answer = await ask("/slow?ms=2000");
  return `“${answer}” after ${milliseconds(start)}`;
}

async function send() {
  const bytes = new Uint8Array(16 << 20);
  const step = 1 << 16; // the most random bytes a browser gives at once
  for (let at = 0; at < bytes.length; at += step) crypto.getRandomValues(bytes.subarray(at, at + step));
  const start = performance.now();
  const [checksum, length] = (await ask("/upload", { method: "POST", body: bytes })).split(" ");
  return `checksum ${checksum}, ${Number(length).toLocaleString("en")} bytes in ${milliseconds(start)}`;
}

watchEvents(section("events"));
connectEcho(section("echo"));
onClick(section("slow"), "Waiting …", wait);
onClick(section("upload"), "Sending …", send);
ask("/headers").then(
  (text) => (section("headers").querySelector("pre").textContent = text),
  (error) => (section("headers").querySelector("pre").textContent = error.message),
);
