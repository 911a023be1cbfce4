// The recipe for Node: seals the key that stands in the environment, and prints what is submitted.
import sodium from 'libsodium-wrappers';

const [base, provider] = process.argv.slice(2);
await sodium.ready;
const meta = await fetch(`${base}/v1/byok/encryption-pubkey`).then((reply) => reply.json());
const ciphertext = sodium.crypto_box_seal(
  sodium.from_string(process.env.CANARY_KEY),
  sodium.from_base64(meta.public_key, sodium.base64_variants.ORIGINAL),
);
const ciphertextB64 = sodium.to_base64(ciphertext, sodium.base64_variants.ORIGINAL);
console.log(
  JSON.stringify({ provider_name: provider, kek_id: meta.kek_id, ciphertext_b64: ciphertextB64, key_prefix: 'sk-...' }),
);
