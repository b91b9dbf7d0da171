(() => {
  const here = document.currentScript;
  const output = here && (here.closest(".jp-OutputArea-output") || here.parentElement);
  const NUMBER = /^[<>≤≥]?\s*([-+]?)(∞|[\d,]*\.?\d+(?:e[-+]?\d+)?)\s*(?:%|\(.*)?$/i;

  function valueOf(cell) {
    const text = cell.textContent.trim().replaceAll("−", "-");
    const found = NUMBER.exec(text);
    const size = found && (found[2] === "∞" ? Infinity : Number(found[2].replaceAll(",", "")));
    const absent = text === "" || text === "–";
    return { text, absent, number: found ? (found[1] === "-" ? -size : size) : null };
  }

  // A column is one of numbers where most of its cells are; what is none ("not estimable") then counts as absent.
  function keysOf(rows, place) {
    const values = rows.map((row) => valueOf(row.cells[place]));
    const present = values.filter((value) => !value.absent);
    const numeric = 2 * present.filter((value) => value.number !== null).length > present.length;
    return values.map((value) => (value.absent || (numeric && value.number === null) ? null : numeric ? value.number : value.text));
  }

  function compare(one, other) {
    if (typeof one === "string") return one.localeCompare(other, undefined, { numeric: true, sensitivity: "base" });
    return one < other ? -1 : one > other ? 1 : 0;
  }

  // Absent values stand last in either direction, and equal ones keep the order in which they came.
  function sorted(rows, keys, turn) {
    const places = rows.map((_, place) => place);
    places.sort((a, b) => {
      if (keys[a] === null || keys[b] === null) return (keys[a] === null) - (keys[b] === null);
      return turn * compare(keys[a], keys[b]);
    });
    return places.map((place) => rows[place]);
  }

  function dress(table) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const asGiven = [...body.rows];
    const regular = asGiven.length > 1 && asGiven.every((row) => row.cells.length === heads.length);
    if (!regular || table.querySelector(".counterfault-sort")) return;
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "counterfault-sort";
      button.dataset.lmSuppressShortcuts = "true"; // else the Lab takes Enter and Space for the cell
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
        const state = next === undefined ? "ascending" : next;
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        if (state) head.setAttribute("aria-sort", state);
        const turn = state === "descending" ? -1 : 1;
        body.append(...(state ? sorted(asGiven, keysOf(asGiven, place), turn) : asGiven));
      });
    });
  }

  if (output) output.querySelectorAll("table:has(> caption):has(> thead th):has(> tbody)").forEach(dress);
})();
