// A card's form as what is sent, and back again. The server reads the plain form the same way (judgments/routes.py).

/** {answers, active_ms, note, language} of a form with every question answered. */
export function read(form) {
  const fields = new FormData(form);
  const answers = {};
  for (const [name, answer] of fields) {
    if (!name.startsWith("answer.")) continue;
    const key = name.slice("answer.".length);
    answers[key] = {
      answer,
      reasons: answer === "no" ? fields.getAll(`reason.${key}`) : [], // those behind a yes are left over
      correction: fields.get(`correction.${key}`) || null,
    };
  }
  return { answers, active_ms: Math.max(Number(fields.get("active_ms")) || 0, 0), note: fields.get("note") || null, language: fields.get("language") };
}

/** Puts earlier answers into a form. */
export function fill(form, { answers, note }) {
  for (const control of form.elements) {
    const [kind, key] = control.name?.split(/\.(.*)/) ?? [];
    const given = answers[key];
    if (kind === "answer") control.checked = given?.answer === control.value;
    else if (kind === "reason") control.checked = Boolean(given?.reasons.includes(control.value));
    else if (kind === "correction") control.value = given?.correction ?? "";
  }
  form.elements.note.value = note ?? "";
  if (note) form.querySelector("[data-note]").open = true;
}
