// Sentences for people stand in the page, where they are translated; here they are only looked up and filled in.

const language = document.documentElement.lang || "en";
const forms = new Intl.PluralRules(language);
const figures = new Intl.NumberFormat(`${language}-u-nu-latn`); // the digits of the keys, as on the rest of the page
const all = () => Object.assign({}, ...[...document.querySelectorAll("[data-words]")].map((one) => one.dataset));

export const figure = (n) => figures.format(n);
const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

/** The sentence of this name, with {n}, {who} and the like filled in; with `n` its plural form, where it has them, or
 *  what is said of none at all. */
export function say(name, values = {}) {
  const words = all();
  const key = camel(name);
  const category = values.n === undefined ? "other" : forms.select(values.n);
  const found =
    (values.n === 0 && words[`${key}Nothing`]) ||
    words[key + category[0].toUpperCase() + category.slice(1)] ||
    words[`${key}Other`] ||
    words[key] ||
    "";
  return found.replace(/\{(\w+)\}/g, (whole, part) => (part === "n" ? figure(values.n) : (values[part] ?? whole)));
}
