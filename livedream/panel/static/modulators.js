// Modulators: waves and the music, each on a parameter; and the tempo.

import { Fader, label, make, refusal, Sent, shown } from "./controls.js";

const full = (one) => ({ source: "lfo", depth: 0.2, offset: 0, shape: "sine", period_s: 8, beats: 0, phase: 0, ...one });

export class Modulators {
  constructor(send, hello) {
    this.send = send; this.hello = hello; this.list = []; this.running = []; this.sent = new Sent(""); this.missed = false;
    this.movable = hello.parameters.filter((one) => (one.kind === "int" || one.kind === "float") && !one.button);
    this.rows = make("div", { class: "mods" });
    this.rows.addEventListener("focusout", () => { if (this.missed) this.take(); });
    this.why = refusal();
    const [low, high] = hello.limits.bpm;
    this.tempo = new Fader({ name: "tempo", title: "Tempo", unit: "bpm", format: (unit) => shown(low + (high - low) * unit),
      changed: (unit) => send.soon({ bpm: low + (high - low) * unit }), typed: (bpm) => send({ bpm }), reset: () => send({ bpm: 120 }) });
    this.tempoWhy = refusal();
    this.beats = make("div", { class: "beats", role: "img", "aria-label": "Beat in the bar" }, ...[1, 2, 3, 4].map(() => make("i")));
    this.leader = make("p", { class: "help" });
    this.counted = { bpm: 120, beats: 0, at: 0 };
    const step = () => { if (this.node.isConnected) { this.count(); requestAnimationFrame(step); } };
    requestAnimationFrame(step);
    this.heard = make("div", { class: "bars" });
    this.node = make("div", { class: "page" },
      make("section", {}, make("h2", {}, "Tempo"), make("div", { class: "pair" }, this.tempo.node,
        make("button", { class: "key", onclick: () => send({ act: "tap" }) }, "Tap")), this.beats, this.leader, this.tempoWhy.node),
      make("section", {}, make("h2", {}, "Modulators"), this.rows, this.why.node,
        make("div", { class: "row after" }, make("button", { class: "chip", onclick: () => this.put([...this.list, full({ parameter: "hue", depth: 0.1, period_s: 20 })]) }, "Add a modulator"))),
      this.hearing = make("section", { hidden: true }, make("h2", {}, "Audio"), this.heard));
  }

  // Between two reports the beat goes on by itself.
  follow(tempo) {
    this.counted = { ...tempo, at: performance.now() };
    this.leader.textContent = tempo.leader ? `${tempo.leader} leads the tempo.` : "";
    const [low, high] = this.hello.limits.bpm;
    this.tempo.tell((tempo.bpm - low) / (high - low), shown(tempo.bpm));
  }

  count() {
    const { bpm, beats, at } = this.counted;
    const whole = Math.floor(beats + ((performance.now() - at) / 60000) * bpm);
    const beat = ((whole % 4) + 4) % 4;
    if (beat === this.beat) return;
    this.beat = beat;
    [...this.beats.children].forEach((lamp, index) => lamp.classList.toggle("on", index === beat));
  }

  put(list) { this.say(list); this.draw(); }

  // A list made from one that runs no more would undo what has come in its place.
  say(list, send = this.send) {
    if (this.missed) { this.take(); return; }
    this.list = list;
    this.sent.add(JSON.stringify(list));
    send({ modulators: list });
  }

  change(index, part) { this.put(this.changed(index, part)); }

  changed(index, part) { return this.list.map((one, other) => (other === index ? { ...one, ...part } : one)); }

  restate(state) {
    this.running = state.modulators.map(full);
    const running = JSON.stringify(this.running);
    if (this.sent.older(running)) return;
    this.missed = running !== JSON.stringify(this.list) || !this.rows.hasChildNodes();
    if (this.missed && !this.rows.querySelector("input:focus")) this.take();
  }

  // What runs, and not what was begun to be entered.
  take() {
    this.missed = false;
    this.list = this.running;
    this.sent = new Sent(JSON.stringify(this.list));
    this.draw();
  }

  // What runs stays; what was entered goes.
  refuse(text) {
    this.why.show(text);
    this.take();
  }

  draw() {
    const focus = document.activeElement;
    const row = [...this.rows.children].findIndex((one) => one.contains(focus));
    this.rows.replaceChildren(...this.list.map((one, index) => this.row(one, index)));
    if (!this.list.length) this.rows.append(make("p", { class: "help" }, "No modulators. A modulator moves a parameter around the value you set, by a wave or by the audio."));
    if (row >= 0) this.rows.children[row]?.querySelector(`[aria-label="${CSS.escape(focus.getAttribute("aria-label") ?? "")}"]`)?.focus();
  }

  row(one, index) {
    const change = (part) => { if (row.isConnected) this.change(index, part); };
    const cell = (title, node) => { node.setAttribute("aria-label", title); return make("label", {}, make("span", {}, title), node); };
    const choose = (title, name, choices, now) => cell(title, make("select", { onchange: (event) => change({ [name]: event.target.value }) },
      ...choices.map((choice) => make("option", { value: choice, selected: choice === now }, name === "parameter" ? label(choice) : choice === "lfo" ? "LFO" : choice))));
    const number = (title, name, now, step) => cell(title, make("input", { type: "number", value: now, step, min: 0,
      onchange: (event) => change({ [name]: Number(event.target.value) }) }));
    const bipolar = (name, title, now) => {
      const show = (value) => fader.show(Math.min(1, Math.max(0, (value + 1) / 2)), shown(value));
      const set = (value) => change({ [name]: value });
      const fader = new Fader({ name: `${name} ${index}`, title, from: 0.5, format: (unit) => shown(unit * 2 - 1),
        changed: (unit) => this.say(this.changed(index, { [name]: Math.round((unit * 2 - 1) * 1000) / 1000 }), this.send.soon), typed: set, reset: () => set(0) });
      show(now);
      return fader.node;
    };
    const wave = one.source === "lfo";
    const row = make("div", { class: "mod" },
      make("div", { class: "cells" }, choose("Parameter", "parameter", this.movable.map((p) => p.name), one.parameter), choose("Source", "source", this.hello.sources, one.source),
        ...(wave ? [choose("Shape", "shape", this.hello.shapes, one.shape),
          number("Period, s", "period_s", one.period_s, 0.1), number("or beats", "beats", one.beats, 0.5)] : [])),
      make("button", { class: "chip cross", "aria-label": "remove", title: "remove", onclick: () => this.put(this.list.filter((_, other) => other !== index)) }, "×"),
      make("div", { class: "faders" }, bipolar("depth", "Depth", one.depth), bipolar("offset", "Offset", one.offset)));
    return row;
  }

  hear(levels) {
    const names = Object.keys(levels ?? {});
    this.hearing.hidden = !names.length;
    this.heard.replaceChildren(...names.flatMap((name) => [make("span", {}, name), make("i", { style: `width:${levels[name] * 100}%` }), make("span", {}, shown(levels[name]))]));
  }
}
