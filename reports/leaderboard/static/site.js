// Sorts and filters the ranking, compares two systems, keeps each view in the address. No framework, no network
// but the site's own data files. Everything that comes from data is written as text, never as HTML.
(function () {
  "use strict";

  const ROOT = document.body.dataset.root;
  const byId = (id) => document.getElementById(id);
  const data = (id) => (byId(id) ? JSON.parse(byId(id).textContent) : null);
  const collator = new Intl.Collator("en", { numeric: true });

  function element(name, properties, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key === "class") made.className = value;
      else if (key in made) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  function drawn(name, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function fill(select, options, chosen) {
    select.replaceChildren(...options.map(([value, text]) => element("option", { value, selected: value === chosen }, text)));
    if (!options.some(([value]) => value === chosen) && options.length) select.value = options[0][0];
    return select.value;
  }

  // Theme ------------------------------------------------------------------------------------------------
  const themeButton = byId("theme");
  const isDark = () =>
    document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
  function nameTheme() {
    themeButton.textContent = isDark() ? "Light theme" : "Dark theme";
  }
  themeButton.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("vtok-theme", chosen);
    } catch (error) {
      // The choice then lasts as long as the page.
    }
    nameTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();
  themeButton.hidden = false;

  // Data files: scripts, since a page of file:// may not fetch ---------------------------------------------
  const loaded = new Map();
  const waiting = new Map();
  function receive(kind, content) {
    const key = kind + "-" + content.id;
    loaded.set(key, content);
    if (waiting.has(key)) waiting.get(key)(content);
  }
  window.vtokEval = { board: (content) => receive("board", content), pairs: (content) => receive("pairs", content) };
  function load(kind, id) {
    const key = kind + "-" + id;
    if (loaded.has(key)) return Promise.resolve(loaded.get(key));
    return new Promise((resolve, reject) => {
      waiting.set(key, resolve);
      const script = element("script", { src: ROOT + "data/" + key + ".js" });
      script.addEventListener("error", () => reject(new Error("cannot load " + key)));
      document.head.append(script);
    });
  }

  // The view in the address ----------------------------------------------------------------------------------
  const readHash = () => new URLSearchParams(location.hash.slice(1));
  let written = "";
  function writeHash(entries) {
    const parameters = new URLSearchParams(entries.filter(([, value]) => value !== "" && value !== null && value !== undefined));
    written = "#" + parameters.toString();
    history.replaceState(null, "", written);
    byId("permalink").href = written;
  }
  function onHash(apply) {
    window.addEventListener("hashchange", () => {
      if (location.hash !== written && location.hash !== "#main") apply();
    });
  }

  // The ranking ------------------------------------------------------------------------------------------------
  function ranking() {
    const boards = data("boards-data");
    let board = data("board-data");
    const first = board.id;
    loaded.set("board-" + board.id, board);
    let view = {};

    function read() {
      const hash = readHash();
      view = {
        board: hash.get("board") || first,
        metric: hash.get("metric") || "",
        budget: hash.get("budget") || "",
        kind: hash.get("type") || "",
        text: hash.get("q") || "",
        controls: hash.get("controls") !== "0",
        sort: hash.get("sort") || "rank",
        down: hash.get("dir") === "down",
      };
    }

    function write() {
      writeHash([
        ["board", boards && view.board !== first ? view.board : ""],
        ["metric", view.metric !== board.metrics[0].name ? view.metric : ""],
        ["budget", view.budget],
        ["type", view.kind],
        ["q", view.text],
        ["controls", view.controls ? "" : "0"],
        ["sort", view.sort === "rank" ? "" : view.sort],
        ["dir", view.down ? "down" : ""],
      ]);
    }

    const place = () => Math.max(0, board.metrics.findIndex((metric) => metric.name === view.metric));

    function budgets() {
      const counts = board.rows.map((row) => row.tokens).filter((tokens) => tokens !== null);
      if (!counts.length) return [["", "any"]];
      const most = Math.max(...counts);
      const found = [["", "any"]];
      for (let limit = 1; limit < most; limit *= 2) {
        if (counts.some((tokens) => tokens <= limit && tokens > limit / 2)) found.push(["max:" + limit, "at most " + limit]);
      }
      board.rows.forEach((row) => {
        if (row.tokens) found.push(["equal:" + row.id, "equal to " + row.name + " (" + row.tokens_text + ", ±10 %)"]);
      });
      return found;
    }

    function fits(row) {
      if (!view.controls && row.control) return false;
      if (view.kind && row.kind !== view.kind) return false;
      if (view.text && !row.name.toLowerCase().includes(view.text.toLowerCase())) return false;
      if (!view.budget) return true;
      if (row.tokens === null) return false;
      const [how, what] = [view.budget.slice(0, view.budget.indexOf(":")), view.budget.slice(view.budget.indexOf(":") + 1)];
      if (how === "max") return row.tokens <= Number(what);
      const other = board.rows.find((candidate) => candidate.id === what);
      return !other || Math.abs(row.tokens - other.tokens) <= 0.1 * other.tokens;
    }

    // Missing values come last, whichever way the column is sorted.
    function compareBy(key, row, other) {
      const [a, b] = [key(row), key(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "string" ? collator.compare(a, b) : a - b;
      return view.down ? -order : order;
    }
    function sorter() {
      const at = place();
      const metric = board.metrics[at];
      const value = (i) => (row) => row.scores[i].value;
      const better = (row, other) => {
        const [a, b] = [row.scores[at].value, other.scores[at].value];
        if (a === null || b === null) return (a === null) - (b === null);
        return metric.higher_is_better ? b - a : a - b;
      };
      const part = (row) => (row.control ? 1 : row.unranked ? 2 : 0);
      const keys = { name: (row) => row.name, type: (row) => row.kind, tokens: (row) => row.tokens };
      board.metrics.forEach((known, i) => (keys["m:" + known.name] = value(i)));
      if (keys[view.sort]) return (row, other) => compareBy(keys[view.sort], row, other) || collator.compare(row.name, other.name);
      return (row, other) =>
        part(row) - part(other) || compareBy((one) => one.scores[at].rank, row, other) || better(row, other) || collator.compare(row.name, other.name);
    }

    function header() {
      const columns = [["rank", "Rank", ""], ["name", "System", ""], ["type", "Type", ""]];
      if (board.has_tokens) columns.push(["tokens", "Tokens per clip", "num"]);
      board.metrics.forEach((known) => columns.push(["m:" + known.name, known.title + (known.why_unranked ? " †" : ""), "num"]));
      columns.push(["", "n (failed)", "num"]);
      return element(
        "tr",
        {},
        ...columns.map(([sort, text, kind]) => {
          const cell = element("th", { scope: "col", class: kind });
          if (!sort) {
            cell.append(text);
            return cell;
          }
          if (view.sort === sort) cell.setAttribute("aria-sort", view.down ? "descending" : "ascending");
          const button = element("button", { type: "button" }, text);
          button.dataset.sort = sort;
          button.addEventListener("click", () => {
            const numbers = sort.startsWith("m:");
            const known = numbers && board.metrics.find((candidate) => "m:" + candidate.name === sort);
            view.down = view.sort === sort ? !view.down : Boolean(known && known.higher_is_better !== false);
            view.sort = sort;
            show();
            document.querySelector('button[data-sort="' + CSS.escape(sort) + '"]').focus();
          });
          cell.append(button);
          return cell;
        }),
      );
    }

    function chip(text, kind) {
      return element("span", { class: "chip" + (kind ? " " + kind : "") }, text);
    }
    function bar(place, family) {
      const made = drawn("svg", { class: "bar " + family, viewBox: "0 0 108 12", "aria-hidden": "true" }, drawn("path", { class: "grid", d: "M4 6H104" }));
      if (place.low !== null && place.high !== null) made.append(drawn("path", { class: "ci", d: "M" + (place.low + 4) + " 6H" + (place.high + 4) }));
      made.append(drawn("circle", { class: "dot", cx: place.at + 4, cy: 6, r: 3.5 }));
      return made;
    }
    function line(row) {
      const swatch = element("span", { class: "swatch " + row.family, "aria-hidden": "true" });
      const name = element("th", { scope: "row" }, swatch, element("a", { href: ROOT + "systems/" + row.id + ".html" }, row.name));
      if (row.control) name.append(" ", chip("control"));
      row.caveats.forEach((caveat) => name.append(" ", chip(caveat, "warn")));
      if (row.submitted) name.append(" ", chip("submitted"));
      if (row.unranked) name.append(" ", chip("not ranked", "warn"), element("span", { class: "why" }, row.unranked));
      const own = row.scores[place()];
      if (own.tied) name.append(element("span", { class: "why" }, "not told apart from " + own.tied));
      const cells = [element("td", { class: "rank" }, own.rank_text), name, element("td", {}, row.kind)];
      if (board.has_tokens) cells.push(element("td", { class: "num" }, row.tokens_text));
      row.scores.forEach((score) => {
        const cell = element("td", { class: "num" });
        if (score.bar) cell.append(bar(score.bar, row.family));
        cell.append(score.text);
        if (score.interval) cell.append(" ", element("small", {}, score.interval));
        cells.push(cell);
      });
      cells.push(element("td", { class: "num" }, row.n));
      return element("tr", { class: row.control || row.unranked ? "aside" : "" }, ...cells);
    }

    function label() {
      const text = element("p", { class: "label" }, element("strong", {}, board.setting), " · " + board.label);
      if (board.limit !== null) text.append(" · ", element("strong", {}, "limited to " + board.limit));
      if (board.machine) text.append(" · measured on: " + board.machine);
      return text;
    }

    function show() {
      const metric = board.metrics[place()];
      view.metric = metric.name;
      const rows = board.rows.filter(fits).sort(sorter());
      const table = byId("ranking-table");
      table.tHead.replaceChildren(header());
      table.tBodies[0].replaceChildren(...rows.map(line));
      byId("ranking-caption").textContent =
        "Systems on " + board.title + ", ranked by " + metric.title + ". Ranks such as 1–4 are the best and the worst rank that the paired tests allow.";
      byId("status").textContent =
        rows.length + " of " + board.rows.length + " systems shown" + (metric.why_unranked ? "; no ranks: " + metric.why_unranked : "");
      byId("silent").textContent = board.metrics
        .filter((known) => known.why_unranked)
        .map((known) => "† " + known.title + " ranks nobody: " + known.why_unranked + ".")
        .concat(board.doubts || [])
        .join(" ");
      byId("to-compare").href =
        ROOT + "compare.html#" + new URLSearchParams([["board", board.id]].concat(rows.slice(0, 2).map((row, i) => ["ab"[i], row.id])));
      write();
    }

    function controls() {
      if (boards) {
        const current = boards.find((known) => known.id === board.id);
        const titles = [...new Set(boards.map((known) => known.title))];
        fill(byId("pick-benchmark"), titles.map((title) => [title, title]), current.title);
        const same = boards.filter((known) => known.title === current.title);
        fill(byId("pick-setting"), same.map((known) => [known.id, known.variant]), board.id);
        byId("ranking-title").textContent = board.title;
      }
      byId("board-label").replaceChildren(label());
      view.metric = fill(byId("pick-metric"), board.metrics.map((metric) => [metric.name, metric.title]), view.metric);
      view.budget = fill(byId("pick-budget"), budgets(), view.budget);
      const kinds = [...new Set(board.rows.map((row) => row.kind))].sort();
      view.kind = fill(byId("pick-kind"), [["", "any"], ...kinds.map((kind) => [kind, kind])], view.kind);
      byId("pick-text").value = view.text;
      byId("pick-controls").checked = view.controls;
      if (!board.has_tokens) byId("pick-budget").disabled = true;
      else byId("pick-budget").disabled = false;
    }

    async function open(id) {
      const known = boards ? boards.some((candidate) => candidate.id === id) : id === first;
      view.board = known ? id : first;
      try {
        board = await load("board", view.board);
      } catch (error) {
        byId("status").textContent = "The data of this benchmark cannot be loaded.";
        return;
      }
      controls();
      show();
    }

    const change = (id, apply, event) => {
      const control = byId(id);
      if (control)
        control.addEventListener(event || "change", () => {
          apply(control);
          show();
        });
    };
    change("pick-metric", (control) => {
      view.metric = control.value;
      view.sort = "rank";
      view.down = false;
    });
    change("pick-budget", (control) => (view.budget = control.value));
    change("pick-kind", (control) => (view.kind = control.value));
    change("pick-text", (control) => (view.text = control.value), "input");
    change("pick-controls", (control) => (view.controls = control.checked));
    if (boards) {
      byId("pick-benchmark").addEventListener("change", (event) => open(boards.find((known) => known.title === event.target.value).id));
      byId("pick-setting").addEventListener("change", (event) => open(event.target.value));
    }
    document.querySelector(".controls").hidden = false;
    document.querySelector(".tools").hidden = false;
    onHash(() => {
      read();
      open(view.board);
    });
    read();
    open(view.board);
  }

  // Two systems side by side ---------------------------------------------------------------------------------
  function comparison() {
    const boards = data("boards-data");
    byId("compare").hidden = false;
    let pairs = null;

    const MINUS = "−";
    function number(value, metric, signed) {
      const scaled = value * metric.scale;
      const size = Math.abs(scaled);
      const decimals = metric.scale === 100 ? (size < 1 ? 2 : 1) : size >= 100 ? 0 : size >= 1 ? 2 : 4;
      const text = Math.abs(scaled).toFixed(decimals);
      const zero = Number(text) === 0;
      return (scaled < 0 && !zero ? MINUS : signed && !zero ? "+" : "") + text;
    }
    const chance = (p) => (p < 0.001 ? "< 0.001" : p < 0.0995 ? p.toFixed(3) : p.toFixed(2));

    // The pair as A minus B, whichever way round it is kept.
    function find(metric, a, b) {
      const columns = pairs.pairs[metric.name];
      for (let k = 0; k < columns.i.length; k += 1) {
        const same = columns.i[k] === a && columns.j[k] === b;
        const turned = columns.i[k] === b && columns.j[k] === a;
        if (!same && !turned) continue;
        const sign = same ? 1 : -1;
        const ends = [columns.low[k], columns.high[k]];
        const bounds = ends.includes(null) ? null : same ? ends : [-ends[1], -ends[0]];
        return { difference: sign * columns.difference[k], bounds, p: columns.p_corrected[k], noTest: columns.no_test[k], winner: sign * columns.winner[k], n: columns.n[k] };
      }
      return null;
    }

    function line(metric, a, b, names) {
      const found = find(metric, a, b);
      const score = (i) => pairs.systems[i].scores[metric.name] || "–";
      const cells = [element("th", { scope: "row" }, metric.title), element("td", { class: "num" }, score(a)), element("td", { class: "num" }, score(b))];
      if (!found) {
        cells.push(element("td", { colSpan: 4 }, metric.higher_is_better === null ? "not tested: neither end is better" : "no shared sample"));
        return element("tr", {}, ...cells);
      }
      const unit = metric.unit === "%" ? "points" : metric.unit;
      const bounds = found.bounds ? " [" + found.bounds.map((end) => number(end, metric, true)).join(", ") + "]" : "";
      cells.push(
        element("td", { class: "num" }, number(found.difference, metric, true) + bounds + " " + unit),
        element("td", { class: "num" }, found.p === null ? "–" : chance(found.p)),
        element("td", { class: "num" }, found.n.toLocaleString("en")),
        element("td", { class: found.winner ? "win" : "" }, found.winner ? names[found.winner > 0 ? 0 : 1] + " is better" : found.noTest ? "no test: " + found.noTest : "no difference shown"),
      );
      return element("tr", {}, ...cells);
    }

    // One plot for each unit: a row is a measure, A minus B, turned so that right of zero A is better.
    function forest(a, b, names) {
      const rows = pairs.metrics
        .filter((metric) => metric.higher_is_better !== null)
        .map((metric) => ({ metric, found: find(metric, a, b), sign: metric.higher_is_better ? 1 : -1 }))
        .filter((row) => row.found && row.found.bounds);
      const units = [...new Set(rows.map((row) => row.metric.unit))];
      return units.map((unit) => plot(rows.filter((row) => row.metric.unit === unit), unit === "%" ? "points" : unit, names));
    }
    function plot(rows, unit, names) {
      const width = Math.max(300, Math.min(720, byId("compare").clientWidth));
      const narrow = width < 520;
      const left = narrow ? 12 : 200;
      const step = narrow ? 44 : 28;
      const height = rows.length * step + 44;
      const ends = rows.flatMap((row) => row.found.bounds.map((end) => Math.abs(end * row.metric.scale)));
      const most = Math.max(...ends) || 1;
      const middle = (left + width - 12) / 2;
      const across = (value) => middle + (value / most) * (width - 12 - middle);
      const said = (row) => row.metric.title + ": " + number(row.found.difference, row.metric, true) + " [" + row.found.bounds.map((end) => number(end, row.metric, true)).join(", ") + "] " + unit;
      const shapes = [drawn("path", { class: "zero", d: "M" + middle + " 6V" + (height - 34) })];
      for (const share of [-1, -0.5, 0.5, 1]) shapes.push(drawn("path", { class: "grid", d: "M" + across(share * most) + " 6V" + (height - 34) }));
      for (const share of [-1, 0, 1]) {
        const anchor = share < 0 ? "start" : share > 0 ? "end" : "middle";
        shapes.push(drawn("text", { x: across(share * most), y: height - 20, "text-anchor": anchor }, Number((share * most).toPrecision(2)).toLocaleString("en").replace("-", MINUS)));
      }
      shapes.push(drawn("text", { x: left, y: height - 4 }, "← B is better"), drawn("text", { x: width - 12, y: height - 4, "text-anchor": "end" }, "A is better →"));
      rows.forEach((row, i) => {
        const y = 6 + i * step + (narrow ? 30 : step / 2);
        const [low, high] = row.found.bounds.map((end) => across(row.sign * end * row.metric.scale)).sort((x, z) => x - z);
        const name = narrow ? { x: left, y: y - 14 } : { x: left - 10, y: y + 4, "text-anchor": "end" };
        shapes.push(
          drawn("text", { class: "name", ...name }, row.metric.title.length > 28 && !narrow ? row.metric.title.slice(0, 27) + "…" : row.metric.title),
          drawn("g", {},
            drawn("title", {}, said(row)),
            drawn("path", { class: "ci wide", d: "M" + low + " " + y + "H" + high }),
            drawn("circle", { class: row.found.winner ? "dot" : "hollow", cx: across(row.sign * row.found.difference * row.metric.scale), cy: y, r: 5 })),
        );
      });
      const label = "Differences of " + names[0] + " (A) and " + names[1] + " (B) in " + unit + ": " + rows.map(said).join("; ");
      const svg = drawn("svg", { class: "chart forest vtok", viewBox: "0 0 " + width + " " + height, width, height, role: "img", "aria-label": label }, ...shapes);
      const caption = "Differences in " + unit + ", with 95 % intervals; filled: the corrected test shows it";
      return element("figure", {}, element("figcaption", {}, caption), svg);
    }

    function samples(a, b) {
      if (!a.samples || !b.samples || a.samples.split("#")[0] !== b.samples.split("#")[0]) return [];
      const link = (first, second) => {
        const address = new URLSearchParams(first.samples.split("#")[1]);
        address.set("b", second.system);
        address.set("show", "ab");
        return ROOT + first.samples.split("#")[0] + "#" + address;
      };
      return ["Samples that ", element("a", { href: link(a, b) }, a.name + " gets right and " + b.name + " wrong"), "; ", element("a", { href: link(b, a) }, "the other way round"), "."];
    }

    function show() {
      const [a, b] = [byId("compare-a"), byId("compare-b")].map((select) => pairs.systems.findIndex((system) => system.id === select.value));
      const rows = byId("compare-table").tBodies[0];
      byId("compare-label").replaceChildren(element("p", { class: "label" }, element("strong", {}, pairs.setting), " · " + pairs.label));
      if (a < 0 || b < 0 || a === b) {
        rows.replaceChildren();
        byId("compare-forest").replaceChildren();
        byId("compare-samples").replaceChildren();
        byId("compare-caption").textContent = "Nothing to compare.";
        byId("status").textContent = a === b && a >= 0 ? "Choose two different systems." : "This benchmark has fewer than two systems with valid records.";
      } else {
        const systems = [pairs.systems[a], pairs.systems[b]];
        const names = systems.map((system) => system.name);
        const headings = ["Measure", ...names, "Difference A − B", "p (corrected)", "n shared", "The test says"];
        byId("compare-table").tHead.replaceChildren(
          element("tr", {}, ...headings.map((text, i) => element("th", { scope: "col", class: i > 0 && i < 6 ? "num" : "" }, text))),
        );
        rows.replaceChildren(...pairs.metrics.map((metric) => line(metric, a, b, names)));
        byId("compare-forest").replaceChildren(...forest(a, b, names));
        byId("compare-samples").replaceChildren(...samples(...systems));
        byId("compare-caption").textContent = "A: " + names[0] + ", " + systems[0].tokens + " tokens per clip. B: " + names[1] + ", " + systems[1].tokens + " tokens per clip. 95 % intervals.";
        byId("status").textContent = names[0] + " beside " + names[1] + " on " + pairs.title;
      }
      writeHash([["board", pairs.id], ["a", byId("compare-a").value], ["b", byId("compare-b").value]]);
    }

    async function open(id, a, b) {
      const known = boards.find((board) => board.id === id) || boards[0];
      fill(byId("compare-board"), boards.map((board) => [board.id, board.title + ", " + board.variant]), known.id);
      try {
        pairs = await load("pairs", known.id);
      } catch (error) {
        byId("status").textContent = "The data of this benchmark cannot be loaded.";
        return;
      }
      const options = pairs.systems.map((system) => [system.id, system.name + (system.control ? " (control)" : "")]);
      const chosen = fill(byId("compare-a"), options, a);
      const other = options.find(([value]) => value !== chosen);
      fill(byId("compare-b"), options, b && options.some(([value]) => value === b) ? b : other ? other[0] : "");
      show();
    }

    const fromHash = () => {
      const hash = readHash();
      open(hash.get("board"), hash.get("a"), hash.get("b"));
    };
    byId("compare-board").addEventListener("change", (event) => open(event.target.value));
    window.addEventListener("resize", () => pairs && show());
    byId("compare-a").addEventListener("change", show);
    byId("compare-b").addEventListener("change", show);
    onHash(fromHash);
    fromHash();
  }

  // Links to a ranking of earlier versions, whose first page it was.
  if (byId("overview-table") && readHash().get("board")) location.replace("ranking.html" + location.hash);
  if (byId("ranking")) ranking();
  if (byId("compare")) comparison();
})();
