// Answers that have not reached the server, in IndexedDB: they outlive a reload, a closed tab and a killed browser.
// A record: {account, who, campaign, claim, action: "judgment" | "skip", body, thumb, food, isChange, enteredAt, stamp,
// tries, refused: null | {status, why}}. Its key is [account, claim], so nobody's answers are ever read as another's, and a
// second answer on an item takes the place of the first.

const ANSWERS = "answers";
let opening = null;
let last = 0;

/** A number that grows with each call, close to the time in milliseconds. */
function stampNow() {
  last = Math.max(Date.now(), last + 1);
  return last;
}

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** The database; rejects where the browser allows none. */
export function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("terroir-answers", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(ANSWERS, { keyPath: ["account", "claim"] });
    request.onsuccess = () => {
      const database = request.result;
      database.onversionchange = () => database.close();
      database.onclose = () => (opening = null);
      resolve(database);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
  opening.catch(() => (opening = null));
  return opening;
}

/** Runs `work(store)`, which may start requests, and waits until what it wrote is on the disk. */
async function within(mode, work) {
  const transaction = (await open()).transaction(ANSWERS, mode, { durability: "strict" });
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
  const result = await work(transaction.objectStore(ANSWERS));
  await done;
  return result;
}

const keyOf = ({ account, claim }) => [account, claim];
const byTime = (a, b) => a.enteredAt - b.enteredAt || (a.claim < b.claim ? -1 : 1);

/** Keeps an answer. One that waits for the same claim is replaced, and keeps its place in the row. */
export function keep(record) {
  return within("readwrite", async (store) => {
    const before = await settled(store.get(keyOf(record)));
    const stamp = stampNow();
    const isChange = before ? before.isChange : record.isChange;
    store.put({ ...record, isChange, tries: 0, refused: null, enteredAt: before?.enteredAt ?? stamp, stamp });
  });
}

/** This account's answers that wait, oldest first; those refused are among them. */
export async function waitingFor(account) {
  const range = IDBKeyRange.bound([account], [account, []]);
  return (await within("readonly", (store) => settled(store.getAll(range)))).sort(byTime);
}

export const find = (account, claim) => within("readonly", (store) => settled(store.get([account, claim])));

/** Other people's answers in this browser: [{who, n}]. */
export async function ofOthers(account) {
  const counts = new Map();
  for (const record of await within("readonly", (store) => settled(store.getAll()))) {
    if (record.account !== account) counts.set(record.who, (counts.get(record.who) ?? 0) + 1);
  }
  return [...counts].map(([who, n]) => ({ who, n }));
}

/** Removes an answer that has arrived, unless it was changed on its way. */
export function arrived(record) {
  return within("readwrite", async (store) => {
    const now = await settled(store.get(keyOf(record)));
    if (now?.stamp === record.stamp) store.delete(keyOf(record));
  });
}

/** Notes what became of a try, unless the answer was changed on its way. */
export function note(record, changes) {
  return within("readwrite", async (store) => {
    const now = await settled(store.get(keyOf(record)));
    if (now?.stamp === record.stamp) store.put({ ...now, ...changes });
  });
}

export const discard = (record) => within("readwrite", async (store) => void store.delete(keyOf(record)));
