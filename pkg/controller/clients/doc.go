// Package clients renders the Secrets of client services into the one Secret that every instance of
// the proxy mounts.
//
// Rules, each with a test in this package:
//
//   - A Secret of type signstash.io/client-service is one client service: clientId, secret,
//     optional previousSecret and config (JSON). An empty optional value counts as absent. Other
//     keys are ignored.
//   - The rendered Secret holds client-services-config.json, the key that signs tokens and, for
//     each client service, the Secret that it came from. It is written only when its content
//     changes, and it is restored when somebody else changes or deletes it.
//   - A broken Secret keeps what was last rendered from it, as long as it is the same Secret (UID).
//     So does a Secret whose new clientId belongs to another Secret. Deleting a Secret removes its
//     client service, whether the Secret is broken or not.
//   - If several Secrets have the same clientId, the oldest counts: by creationTimestamp, then by
//     name.
//   - A change that does not fit into 1 MiB is not rendered. The last rendered version is kept.
//   - Every fault is reported once, as a Warning event on the Secret. The event contains no value
//     of the Secret.
//   - The token key is created if there is none, and is never changed. If it or the rendered Secret
//     is deleted, a new key is made. Running instances take over the new key and accept tokens of
//     the previous key until they expire. Instances that start later refuse these tokens, so that
//     clients request new ones.
//   - After a write, the controller touches the proxy's pods at once and again after 2 s, so that
//     the kubelets update the mounted files.
package clients
