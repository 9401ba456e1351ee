// Where the session lies with its refresh token. What one tab has written here every other tab reads
// from then on; localStorage does not promise that between processes, and a refresh token used twice
// ends the session.

const NAME = "sanctum";
const STORE = "vault";
const KEY = "session";

/** Give what lies here, undefined where nothing does. */
export function read() {
  return within("readonly", (store) => store.get(KEY));
}

/** Put something here in the place of what was. */
export function write(value) {
  return within("readwrite", (store) => store.put(value, KEY));
}

/** Leave nothing here. */
export function clear() {
  return within("readwrite", (store) => store.delete(KEY));
}

async function within(mode, ask) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const asked = ask(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}
