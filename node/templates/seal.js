// Seals the key that is pasted into the page against the node's public key, before the form is sent: libsodium's sealed box
// (X25519, XSalsa20-Poly1305, the nonce from BLAKE2b). The field that holds the key has no name, so that no browser sends it.
// What stands around this file gives it `nacl` and `blake2b`.
const form = document.getElementById("seal");
const field = document.getElementById("key");
const wrong = document.getElementById("seal-error");

function sealed(text, publicKey) {
  const message = new TextEncoder().encode(text);
  const pair = nacl.box.keyPair();
  const both = new Uint8Array(64);
  both.set(pair.publicKey);
  both.set(publicKey, 32);
  const nonce = blake2b(both, null, nacl.box.nonceLength);
  const box = nacl.box(message, nonce, publicKey, pair.secretKey);
  message.fill(0);
  pair.secretKey.fill(0);
  const whole = new Uint8Array(32 + box.length);
  whole.set(pair.publicKey);
  whole.set(box, 32);
  return btoa(String.fromCharCode(...whole));
}

// Why `text` is no provider's key; nothing where it can be one.
function refusal(text) {
  if (text === "") return "Paste the key.";
  if (/^["'`“”‘’]|["'`“”‘’]$/.test(text)) return "The key stands in quotation marks: paste it without them.";
  if (!/^[\x20-\x7e]{1,4096}$/.test(text)) return "A provider’s key is at most 4096 printable ASCII characters in one line.";
  if (/^(brk_|bra_|brr_|sk-tr-)/.test(text) || text === "bitrouter-local") return "This is a token of bitrouter, not a provider’s key.";
  return null;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value.trim();
  let why = refusal(text);
  if (why === null) {
    try {
      const publicKey = Uint8Array.from(atob(form.dataset.publicKey), (c) => c.charCodeAt(0));
      form.elements.ciphertext_b64.value = sealed(text, publicKey);
      field.value = "";
      form.submit();
      return;
    } catch {
      why = "This browser could not seal the key, and nothing was sent. Use “bitrouter cloud byok set” in a terminal.";
    }
  }
  wrong.textContent = why;
  wrong.hidden = false;
  field.setAttribute("aria-invalid", "true");
  field.focus();
});

form.hidden = false;
