"use strict";
// The page of a run's samples. Data come as scripts that call viewer.open, viewer.details and viewer.clips:
// a page opened from a file may load scripts, but not fetch.
const viewer = (() => {
  const ROW = 30, PIECE = 100;
  const at = id => document.getElementById(id);
  const state = {group: 0, metric: "", a: "", b: "", show: "all", sort: "order", search: "", sample: -1};
  let groups = [], found = [], details = new Map(), clips = new Map(), player = null;

  // ---- data -------------------------------------------------------------------------------------------------
  function load(source) {
    const script = document.createElement("script");
    script.src = source;
    script.onerror = () => failed(source);
    document.head.append(script);
  }
  function failed(source) {
    const [kind, group, place] = source.replace(".js", "").split("/");
    if (kind === "clips") gotClips(+group, +place, {truth: null, strips: [], notes: ["the clip could not be loaded"]});
    else gotDetails(+group, +place, []);
  }
  function gotDetails(group, piece, content) { details.set(group + "/" + piece, content); draw(); }
  function gotClips(group, sample, content) { clips.set(group + "/" + sample, content); draw(); }
  function want(map, key, source) {
    if (map.has(key)) return map.get(key);
    map.set(key, null);
    load(source);
    return null;
  }
  const group = () => groups[state.group];
  const metricOf = name => group().metrics.find(metric => metric.name === name);

  function value(system, sample, name = state.metric) {
    const metric = metricOf(name);
    if (!metric) return null;
    if (!metric.parts.length) return (group().values[name][system] || [])[sample] ?? null;
    const parts = metric.parts.map(part => (group().values[part]?.[system] || [])[sample]).filter(v => v != null);
    return parts.length ? parts.reduce((sum, v) => sum + v, 0) / parts.length : null;
  }
  function better(x, y) { // whether x beats y on the chosen metric
    if (x == null || y == null) return false;
    return metricOf(state.metric).better === false ? x < y : x > y;
  }
  const bounded = () => metricOf(state.metric)?.bounded && !metricOf(state.metric).parts.length;
  function choices() {
    const words = bounded()
      ? {ab: "A right, B wrong", ba: "B right, A wrong", wrong: "A wrong", right: "A right", both: "both wrong"}
      : {ab: "A better than B", ba: "B better than A"};
    return {all: "all", ...words, differ: "A and B differ", failed: "failed", unparsed: "no readable answer", ...(group().clips === null ? {} : {clip: "with a clip"})};
  }
  function passes(sample) {
    const a = value(state.a, sample), b = value(state.b, sample);
    switch (state.show) {
      case "ab": return bounded() ? a >= 1 && b != null && b < 1 : better(a, b);
      case "ba": return bounded() ? b >= 1 && a != null && a < 1 : better(b, a);
      case "right": return a >= 1;
      case "wrong": return a != null && a < 1;
      case "both": return a != null && b != null && a < 1 && b < 1;
      case "differ": return a != null && b != null && a !== b;
      case "failed": return group().systems.some(name => group().states[name][sample] === "f");
      case "clip": return group().clips === null || group().clips.includes(sample);
      case "unparsed": return group().systems.some(name => group().states[name][sample] === "o" && value(name, sample) == null);
      default: return true;
    }
  }
  function spread(sample) {
    const own = group().systems.map(name => value(name, sample)).filter(v => v != null);
    if (state.a && state.b && state.a !== state.b) {
      const a = value(state.a, sample), b = value(state.b, sample);
      if (a != null && b != null) return Math.abs(a - b) + 1e-6 * (Math.max(...own) - Math.min(...own));
    }
    return own.length ? Math.max(...own) - Math.min(...own) : -1;
  }
  function filter() {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = group().lower ??= group().samples.map((id, i) => (id + " " + group().texts[i]).toLowerCase());
    found = [];
    for (let i = 0; i < group().samples.length; i++)
      if (words.every(word => texts[i].includes(word)) && passes(i)) found.push(i);
    const keys = {disagreement: i => -spread(i), low: i => value(state.a, i) ?? Infinity, high: i => -(value(state.a, i) ?? -Infinity)};
    const key = keys[state.sort];
    if (key) found = found.map(i => [key(i), i]).sort((x, y) => x[0] - y[0] || x[1] - y[1]).map(pair => pair[1]);
    at("count").textContent = found.length.toLocaleString("en") + " of " + group().samples.length.toLocaleString("en") + " samples";
    rows();
  }

  // ---- list -------------------------------------------------------------------------------------------------
  const short = v => v == null ? "" : Number.isInteger(v) ? String(v) : v.toFixed(2);
  function mark(system, sample) {
    const v = value(system, sample), span = document.createElement("span");
    if (bounded() && v != null) {
      span.className = v >= 1 ? "right" : v <= 0 ? "wrong" : "";
      span.textContent = v >= 1 ? "✓" : v <= 0 ? "✗" : short(v);
    } else span.textContent = short(v);
    span.title = system;
    return span;
  }
  function rows() {
    const list = at("list"), holder = at("rows");
    holder.style.height = found.length * ROW + "px";
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(found.length, first + Math.ceil(list.clientHeight / ROW) + 10);
    holder.replaceChildren();
    for (let i = first; i < last; i++) {
      const sample = found[i], row = document.createElement("div"), name = document.createElement("span");
      row.className = "row";
      row.id = "sample-" + sample;
      row.style.top = i * ROW + "px";
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", sample === state.sample);
      name.className = "name";
      const marked = group().clips?.includes(sample) ? "▶ " : "";
      name.textContent = marked + (group().texts[sample] ? group().samples[sample] + " · " + group().texts[sample] : group().samples[sample]);
      name.title = name.textContent;
      row.append(name, mark(state.a, sample), mark(state.b, sample));
      row.onclick = () => choose(sample);
      holder.append(row);
    }
    at("list").setAttribute("aria-activedescendant", found.includes(state.sample) ? "sample-" + state.sample : "");
  }
  function step(by) {
    if (!found.length) return;
    const place = found.indexOf(state.sample);
    const next = Math.min(found.length - 1, Math.max(0, place < 0 ? 0 : place + by));
    const list = at("list"), top = next * ROW;
    if (top < list.scrollTop || top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
    choose(found[next]);
  }
  function choose(sample) {
    state.sample = sample;
    link();
    rows();
    draw();
  }

  // ---- one sample -------------------------------------------------------------------------------------------
  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text != null) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  const plain = v => typeof v === "string" ? v : Array.isArray(v) && v.every(x => typeof x !== "object") ? v.join(", ") || "none" : JSON.stringify(v);

  function draw() {
    const area = at("detail");
    if (state.sample < 0 || state.sample >= group().samples.length) {
      player?.stop();
      area.replaceChildren(element("p", "Choose a sample.", "hint"));
      return;
    }
    const key = state.group + "/" + state.sample, piece = Math.floor(state.sample / PIECE);
    const about = want(details, state.group + "/" + piece, `details/${state.group}/${piece}.js`)?.[state.sample % PIECE];
    const has = group().clips === null || group().clips.includes(state.sample);
    const media = has ? want(clips, key, `clips/${key}.js`) : {truth: null, strips: [], notes: ["this bundle has no clip of this sample"]};
    const title = element("h2", group().samples[state.sample]);
    const shown = [key, state.a, state.b].join("\n");
    if (player?.key !== shown || (media && !player.ready)) {
      player?.stop();
      player = makePlayer(shown, media);
    }
    area.replaceChildren(title, player.view, facts(about, media), answers(about, media), raw(about));
  }
  function scrolling(name) { // a part that scrolls by itself must be reachable by keyboard
    const box = element("div", null, "scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", name);
    return box;
  }
  function facts(about, media) {
    const list = scrolling("facts about the sample"), table = element("table");
    const meta = about ? Object.values(about)[0]?.meta ?? {} : {};
    for (const [name, v] of Object.entries(meta)) {
      const row = element("tr");
      row.append(Object.assign(element("th", name), {scope: "row"}), element("td", plain(v)));
      table.append(row);
    }
    list.append(table);
    return table.rows.length ? list : element("div");
  }
  function truthOf(about) { // runs of earlier versions recorded none; the benchmark, built again, then says it
    return Object.values(about ?? {}).map(own => own.truth).find(Boolean);
  }
  function answer(own, name, seeds) { // what the system gave for a metric, one text for each training seed
    const given = own?.outputs?.[name];
    if (given === undefined) return "";
    const each = seeds > 1 && Array.isArray(given) && given.length === seeds ? given : [given];
    return [...new Set(each.map(plain))].join(" / ");
  }
  function answers(about, media) {
    const box = scrolling("answers"), table = element("table"), head = element("tr");
    const systems = [...new Set([state.a, state.b, ...group().systems])].filter(Boolean); // those compared first
    const truth = truthOf(about) ?? media?.truth ?? null;
    const chosen = metricOf(state.metric)?.parts.length ? metricOf(state.metric).parts : [state.metric];
    const rest = group().metrics.filter(metric => !metric.parts.length && !chosen.includes(metric.name)).map(metric => metric.name);
    const held = [...chosen, ...rest].filter(name => systems.some(system => value(system, state.sample, name) != null));
    head.append(element("td"), ...[...(truth ? ["truth"] : []), ...systems].map(text => Object.assign(element("th", text), {scope: "col"})));
    table.append(head);
    const line = (title, truthText, cell) => {
      const row = element("tr");
      row.append(Object.assign(element("th", title), {scope: "row"}));
      if (truth) row.append(element("td", truthText));
      row.append(...systems.map(cell));
      table.append(row);
    };
    for (const name of held) {
      const metric = metricOf(name);
      line(metric.title, truth?.[name] === undefined ? "" : plain(truth[name]), system => {
        const own = about?.[system], v = value(system, state.sample, name), cell = element("td");
        const text = answer(own, name, own?.meta?.training_seeds ?? 1);
        const sign = v == null ? "" : metric.bounded && v >= 1 ? "✓" : metric.bounded && v <= 0 ? "✗" : short(v);
        cell.textContent = [sign, text].filter(Boolean).join(" ");
        if (metric.bounded && v != null) cell.className = v >= 1 ? "right" : v <= 0 ? "wrong" : "";
        return cell;
      });
    }
    const spoken = system => { const given = about?.[system]?.outputs ?? {}; return given.answer ?? given.text ?? given.reply; };
    if (systems.some(system => spoken(system) !== undefined))
      line("answer", truth?.answer === undefined ? "" : plain(truth.answer), system => element("td", plain(spoken(system) ?? "")));
    if (systems.some(system => about?.[system]?.reason)) line("failed", "", system => element("td", about?.[system]?.reason ?? "", "wrong"));
    for (const [cost, title] of [["tokens", "tokens"], ["bits", "bits"]])
      if (systems.some(system => about?.[system]?.cost?.[cost] != null))
        line(title, "", system => element("td", short(about?.[system]?.cost?.[cost]), "number"));
    box.append(table);
    return box;
  }
  function raw(about) {
    const box = element("details"), summary = element("summary", "Everything that was recorded");
    box.append(summary);
    box.ontoggle = () => { if (box.open && box.children.length === 1) box.append(element("pre", JSON.stringify(about, null, 1))); };
    return box;
  }

  // ---- clips ------------------------------------------------------------------------------------------------
  function makePlayer(key, media) {
    const view = element("div"), own = {key, view, ready: Boolean(media), stop() {}};
    if (!media) {
      view.append(element("p", "Loading the clip ...", "hint"));
      return own;
    }
    for (const note of media.notes) view.append(element("p", note, "hint"));
    if (!media.strips.length) return own;
    const holder = element("div", null, "clips"), parts = [];
    const first = media.strips[0], n = first.n; // the original; A and B stand next to it
    const rank = name => name === first.name ? 0 : name === state.a ? 1 : name === state.b ? 2 : 3;
    for (const strip of [...media.strips].sort((x, y) => rank(x.name) - rank(y.name))) {
      const figure = element("figure"), canvas = element("canvas"), image = new Image();
      canvas.width = strip.width;
      canvas.height = strip.height;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "clip: " + strip.name);
      figure.append(canvas, element("figcaption", strip.name));
      holder.append(figure);
      image.onload = () => show();
      image.src = strip.source;
      parts.push({strip, canvas, image});
    }
    let frame = 0, playing = !matchMedia("(prefers-reduced-motion: reduce)").matches, timer = null, errors = false;
    const play = element("button"), back = element("button", "◀ frame"), on = element("button", "frame ▶");
    const error = element("button", "error map"), range = element("input"), count = element("span", "", "hint");
    Object.assign(range, {type: "range", min: 0, max: n - 1, value: 0});
    range.setAttribute("aria-label", "frame");
    function place(strip) { return strip.n === n ? frame : Math.min(strip.n - 1, Math.round(frame / Math.max(1, n - 1) * (strip.n - 1))); }
    function paint(context, {strip, image}, width, height) {
      const i = place(strip);
      context.drawImage(image, i % strip.columns * strip.width, Math.floor(i / strip.columns) * strip.height, strip.width, strip.height, 0, 0, width, height);
    }
    function show() {
      for (const part of parts) {
        const context = part.canvas.getContext("2d"), {width, height} = part.canvas;
        context.globalCompositeOperation = "source-over";
        context.filter = "none";
        paint(context, part, width, height);
        if (errors && part !== parts[0]) {
          context.globalCompositeOperation = "difference";
          paint(context, parts[0], width, height);
          context.globalCompositeOperation = "source-over";
          context.filter = "brightness(3)";
          context.drawImage(part.canvas, 0, 0);
          context.filter = "none";
        }
      }
      range.value = frame;
      count.textContent = `frame ${frame + 1} of ${n}`;
    }
    function run() {
      clearInterval(timer);
      play.textContent = playing ? "pause" : "play";
      if (playing && n > 1) timer = setInterval(() => { frame = (frame + 1) % n; show(); }, 1000 / Math.min(30, Math.max(1, first.fps)));
    }
    Object.assign(own, {
      stop() { clearInterval(timer); },
      toggle() { playing = !playing; run(); },
      move(by) { playing = false; frame = (frame + by + n) % n; run(); show(); },
      errors() { errors = !errors; error.setAttribute("aria-pressed", errors); show(); },
    });
    play.onclick = () => own.toggle();
    back.onclick = () => own.move(-1);
    on.onclick = () => own.move(1);
    error.onclick = () => own.errors();
    error.setAttribute("aria-pressed", "false");
    range.oninput = () => { frame = +range.value; playing = false; run(); show(); };
    const controls = element("div", null, "controls");
    controls.append(play, back, on, range, count);
    if (parts.length > 1) controls.append(error);
    view.append(holder, controls);
    run();
    return own;
  }

  // ---- the view's address and the controls ------------------------------------------------------------------
  function link() {
    const named = {...state, sample: state.sample < 0 ? "" : group().samples[state.sample]};
    const text = new URLSearchParams(Object.entries(named).filter(([, v]) => v !== "")).toString();
    if (location.hash.slice(1) !== text) history.replaceState(null, "", "#" + text);
  }
  function options(select, entries, chosen) {
    select.replaceChildren(...entries.map(([v, text]) => Object.assign(element("option", text), {value: v})));
    select.value = entries.some(([v]) => v === String(chosen)) ? chosen : entries[0][0];
    return select.value;
  }
  function fill() {
    const own = group(), systems = own.systems.map(name => [name, name]);
    options(at("group"), groups.map((g, i) => [String(i), groups.some(o => o.run !== g.run) ? `${g.run}: ${g.benchmark}` : g.benchmark]), String(state.group));
    state.metric = options(at("metric"), own.metrics.length ? own.metrics.map(m => [m.name, m.title]) : [["", "none"]], state.metric || own.metrics.find(m => m.headline)?.name);
    state.a = options(at("a"), systems, state.a || own.systems[0]);
    state.b = options(at("b"), systems, state.b || own.systems[Math.min(1, systems.length - 1)]);
    state.show = options(at("show"), Object.entries(choices()), state.show);
    state.sort = options(at("sort"), Object.entries({order: "order", disagreement: "disagreement", low: "lowest score of A", high: "highest score of A"}), state.sort);
    at("search").value = state.search;
    at("label").textContent = `${own.run} · ${own.label}`;
  }
  function changed(name, v) {
    if (name === "group") Object.assign(state, {group: +v, metric: "", sample: -1, show: "all"});
    else state[name] = v;
    fill();
    at("list").scrollTop = 0;
    filter();
    link();
    draw();
  }
  function read() {
    const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    const named = groups.findIndex(g => g.benchmark === given.benchmark); // as other pages link to it
    if (named >= 0) given.group = named;
    delete given.benchmark;
    Object.assign(state, {...given, group: Math.min(groups.length - 1, Math.max(0, +(given.group ?? 0) || 0)), sample: -1});
    fill();
    state.sample = given.sample ? group().samples.indexOf(given.sample) : -1;
    filter();
    draw();
  }
  function keys(event) {
    if (event.target.closest("select, input") && event.key !== "Escape") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
      " ": () => player?.toggle?.(), ",": () => player?.move?.(-1), ".": () => player?.move?.(1), e: () => player?.errors?.(),
      "/": () => at("search").focus(), Escape: () => at("list").focus(),
    };
    if (!actions[event.key] || (event.key === " " && event.target.closest("button, summary"))) return;
    event.preventDefault();
    actions[event.key]();
  }
  function open(content) {
    groups = content;
    for (const name of ["group", "metric", "a", "b", "show", "sort"]) at(name).onchange = event => changed(name, event.target.value);
    at("filters").onsubmit = event => event.preventDefault();
    at("search").oninput = event => changed("search", event.target.value);
    at("list").onscroll = rows;
    addEventListener("resize", rows);
    addEventListener("keydown", keys);
    addEventListener("hashchange", read);
    read();
    performance.mark("viewer-open");
  }
  return {open, details: gotDetails, clips: gotClips};
})();
