// Sentences for people stand in the page, where they can be translated; here they are only looked up and filled in.

const forms = new Intl.PluralRules(document.documentElement.lang || "en");
const all = () => document.querySelector("[data-words]").dataset;
const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

/** The sentence of this name, with {n}, {who} and the like filled in; with `n` its plural form, where it has them. */
export function say(name, values = {}) {
  const words = all();
  const key = camel(name);
  const category = values.n === undefined ? "other" : forms.select(values.n);
  const found =
    (values.n === 0 && words[`${key}Zero`]) ||
    words[key + category[0].toUpperCase() + category.slice(1)] ||
    words[`${key}Other`] ||
    words[key] ||
    "";
  return found.replace(/\{(\w+)\}/g, (whole, part) => values[part] ?? whole);
}
