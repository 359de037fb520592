// Where the dream grows, laid over the preview while it is asked for, and painted there by hand.

import { Fader, make, refusal, shown } from "./controls.js";

const MOST_POINTS = 32; // in one message, as the other end takes them
const WET = "#5ecfc388"; // until the region comes back with the stroke in it
const VALUES = /\w+\s*\(\s*("(?:[^"]|"")*"|[^()]*)\s*\)/g; // of a region, such as mask(party/painted.png)

export class Overlay {
  constructor(send, hello) {
    this.send = send;
    this.strokes = new Map(); // by pointer, what is not sent yet; its first point was
    this.where = "";
    this.preview = document.getElementById("preview");
    this.screen = document.getElementById("screen");
    this.canvas = document.getElementById("overlay");
    this.ring = document.getElementById("ring");
    const toggle = (title, text, onclick) => make("button", { class: "chip", "aria-pressed": "false", title, onclick }, text);
    this.see = toggle("tint the picture where the dream grows", "Show region", () => this.turn(this.canvas.hidden));
    this.paint = toggle("paint on the picture where to dream", "Paint", () => this.begin(!this.painting));
    this.name = make("input", { class: "field", type: "text", value: "painted", maxlength: 40, autocapitalize: "off", spellcheck: "false", "aria-label": "name of the mask" });
    this.why = refusal();
    this.masks = make("div", { class: "row after" });
    this.kept = make("p", { class: "tip", role: "status" });
    this.node = make("div", { class: "masks" }, make("div", { class: "row" }, this.see, this.paint, this.name,
      make("button", { class: "chip", title: "“painted” is restored at the next start; other names are masks for presets", onclick: () => this.keep() }, "Keep")), this.why.node, this.kept, this.masks);
    this.tools(hello.brush);
    for (const type of ["down", "move", "up", "leave"]) this.canvas[`onpointer${type}`] = (event) => this[type](event);
    this.canvas.onpointercancel = this.canvas.onpointerup;
    this.turn(!this.canvas.hidden); // after a lost connection as before
    this.begin(document.body.classList.contains("painting"));
  }

  tools([least, most]) {
    const size = (unit) => least * (most / least) ** unit;
    const set = (unit) => { this.brush = size(unit); localStorage.setItem("brush", unit); };
    const brush = new Fader({ name: "brush", title: "Brush", unit: "%", format: (unit) => shown(100 * size(unit)), changed: set, reset: () => reset(0.5) });
    const reset = (unit) => { set(unit); brush.show(unit, brush.format(unit)); };
    reset(Number(localStorage.getItem("brush") ?? 0.5));
    this.eraser = make("button", { class: "chip", "aria-pressed": "false", onclick: () => this.erase(!this.erasing) }, "Erase");
    const does = (how, text) => make("button", { class: "chip", onclick: () => this.send({ painting: how }) }, text);
    this.use = make("button", { class: "chip", onclick: () => this.send({ set: "where", value: "painted" }) }, "Dream only here");
    document.getElementById("tools").replaceChildren(brush.node, this.eraser, does("undo", "Undo"), does("clear", "Clear"), this.use,
      make("button", { class: "chip", onclick: () => this.begin(false) }, "Done"));
    this.erase(false);
  }

  turn(on) {
    this.canvas.hidden = !on;
    this.see.setAttribute("aria-pressed", String(on));
    this.clear();
    this.send({ overlay: on });
    if (!on) this.begin(false);
  }

  begin(on) {
    this.painting = on;
    document.body.classList.toggle("painting", on);
    document.getElementById("tools").hidden = !on;
    this.paint.setAttribute("aria-pressed", String(on));
    this.ring.hidden = true;
    this.strokes.clear();
    if (on && this.canvas.hidden) this.turn(true);
  }

  erase(on) {
    this.erasing = on;
    this.eraser.setAttribute("aria-pressed", String(on));
  }

  // The one that is restored is there to be replaced; another may be what a preset dreams in.
  keep() {
    const name = this.name.value.trim();
    this.why.show("");
    this.kept.textContent = "";
    if (name !== "painted" && this.names.includes(name) && !confirm(`Replace the mask “${name}”?`)) return;
    this.keeping = name;
    this.send({ keep: name });
  }

  restate({ masks }) {
    this.names = masks.map((text) => text.replace(/^.*[\\/]/, "").replace(/\.png"?\)$/, ""));
    this.masks.replaceChildren(...masks.map((text, index) => make("button", { class: "chip", title: text, onclick: () => this.send({ set: "where", value: text }) }, this.names[index])));
    if (!this.keeping || !this.names.includes(this.keeping)) return;
    this.kept.textContent = `“${this.keeping}” is kept.`;
    this.keeping = "";
  }

  // The region that is dreamed: what is painted counts only where it is named.
  update(where) {
    this.where = where;
    this.use.hidden = /\bpainted\b/.test(where.replace(VALUES, ""));
  }

  fit() { // as large as the preview, so that it lies over it exactly
    const { width, height } = this.preview;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
  }

  clear() { this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height); }

  // coded: a PNG in base64; empty: no region is named.
  async show(coded) {
    if (this.canvas.hidden) return;
    const number = this.newest = (this.newest ?? 0) + 1;
    const image = new Image();
    if (coded) {
      image.src = `data:image/png;base64,${coded}`;
      await image.decode();
      if (number !== this.newest) return; // a later one was quicker
    }
    this.fit();
    this.clear();
    if (coded) this.canvas.getContext("2d").drawImage(image, 0, 0, this.canvas.width, this.canvas.height);
  }

  // A place on the picture, in parts of its sides; around it the box has bands where its shape is another.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.scale(box);
    const part = (at, low, long, side) => Math.min(1, Math.max(0, (at - low - (long - side * scale) / 2) / (side * scale)));
    return [part(event.clientX, box.left, box.width, this.preview.width), part(event.clientY, box.top, box.height, this.preview.height)];
  }

  scale(box) { return Math.min(box.width / this.preview.width, box.height / this.preview.height); }

  down(event) {
    if (!this.painting || event.button) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    if (!this.where.trim()) this.send({ set: "where", value: "painted" });
    this.strokes.set(event.pointerId, { points: [this.place(event)], begins: true });
    this.soon();
    this.follow(event);
  }

  move(event) {
    this.follow(event);
    const stroke = this.strokes.get(event.pointerId);
    if (!stroke) return;
    const all = event.getCoalescedEvents?.() ?? [];
    stroke.points.push(...(all.length ? all : [event]).map((one) => this.place(one)));
    this.soon();
  }

  up(event) {
    if (event.pointerType !== "mouse") this.ring.hidden = true;
    const stroke = this.strokes.get(event.pointerId);
    if (!stroke) return;
    this.flush(stroke);
    this.strokes.delete(event.pointerId);
  }

  leave() { this.ring.hidden = true; }

  follow(event) { // the brush's size around the pointer
    if (!this.painting) return;
    const box = this.canvas.getBoundingClientRect();
    const px = this.brush * this.preview.height * this.scale(box);
    this.ring.hidden = false;
    Object.assign(this.ring.style, { width: `${px}px`, height: `${px}px`, left: `${event.clientX - box.left - px / 2}px`, top: `${event.clientY - box.top - px / 2}px` });
  }

  soon() { // once for each picture of the display
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; for (const stroke of this.strokes.values()) this.flush(stroke); });
  }

  flush(stroke) {
    while (stroke.points.length > 1 || stroke.begins) {
      const part = stroke.points.slice(0, MOST_POINTS);
      stroke.points = stroke.points.slice(part.length - 1); // the next part begins where this one ends
      this.wet(part);
      this.send({ paint: part, brush: this.brush, erase: this.erasing, begins: stroke.begins });
      stroke.begins = false;
    }
  }

  wet(points) {
    this.fit();
    const pen = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    pen.globalCompositeOperation = this.erasing ? "destination-out" : "source-over";
    Object.assign(pen, { strokeStyle: WET, lineWidth: this.brush * height, lineCap: "round", lineJoin: "round" });
    pen.beginPath();
    pen.moveTo(points[0][0] * width, points[0][1] * height);
    for (const [x, y] of points) pen.lineTo(x * width, y * height);
    pen.stroke();
    pen.globalCompositeOperation = "source-over";
  }

  refuse(text) {
    this.keeping = this.kept.textContent = "";
    this.why.show(text);
  }
}
