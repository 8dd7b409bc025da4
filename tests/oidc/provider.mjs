// A real OpenID provider (npm oidc-provider) with one client and its own development login pages. For tests alone.
// node provider.mjs PORT REDIRECT_URI; prints "ready".
import { Provider } from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ client_id: "custodes", client_secret: "test secret of no worth", redirect_uris: [redirect] }],
  pkce: { required: () => true },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
