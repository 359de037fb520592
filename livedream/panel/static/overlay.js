// Where the dream grows, laid over the preview while it is asked for.

import { make } from "./controls.js";

export class Overlay {
  constructor(send) {
    this.send = send;
    this.canvas = document.getElementById("overlay");
    this.button = make("button", { class: "chip", "aria-pressed": "false", title: "tint where the dream grows, over the picture",
      onclick: () => this.turn(this.canvas.hidden) }, "Show region");
    this.node = make("div", { class: "row" }, this.button);
    this.turn(!this.canvas.hidden); // after a lost connection as before
  }

  turn(on) {
    this.canvas.hidden = !on;
    this.button.setAttribute("aria-pressed", String(on));
    this.clear();
    this.send({ overlay: on });
  }

  clear() { this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height); }

  // coded: a PNG in base64; empty: no region is named.
  async show(coded) {
    if (this.canvas.hidden) return;
    if (!coded) { this.clear(); return; }
    const image = new Image();
    image.src = `data:image/png;base64,${coded}`;
    await image.decode();
    const screen = document.getElementById("preview"); // as large, so that it lies over it exactly
    Object.assign(this.canvas, { width: screen.width, height: screen.height });
    this.canvas.getContext("2d").drawImage(image, 0, 0, screen.width, screen.height);
  }
}
