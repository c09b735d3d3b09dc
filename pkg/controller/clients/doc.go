// Package clients renders the Secrets of client services into the one Secret that every instance of
// the proxy mounts.
//
// Rules, each with a test in this package:
//
//   - A Secret of type signstash.io/client-service is one client service: clientId, secret,
//     optional previousSecret and config (JSON). An empty optional value counts as absent. A key
//     that differs only in case, dashes, underscores or dots is a fault. Other keys are ignored.
//   - The rendered Secret holds client-services-config.json, the key that signs tokens and, for
//     each client service, the Secret that it came from. It is written only when its content
//     changes, and it is restored when somebody else changes or deletes it.
//   - A broken Secret keeps what was last rendered from it, as long as it is the same Secret (UID).
//     So does a Secret whose new clientId belongs to another Secret. Deleting a Secret removes its
//     client service, whether the Secret is broken or not.
//   - If several Secrets have the same clientId, the oldest counts: by creationTimestamp, then by
//     name.
//   - A change that does not fit into 1 MiB is not rendered. The last rendered version is kept.
//   - A Secret whose config names a provider that is not configured counts as broken.
//   - A content that is rendered for the first time is reported once, as an Accepted event.
//   - A Secret with the keys of a client service and another type is not rendered. It gets an event
//     that names the right type. Its keys are found in its metadata. Its values are never read.
//   - Every fault is reported once, as a Warning event on the Secret. The event contains no value
//     of the Secret.
//   - The token key is created once. A Secret of its own keeps a copy, and each of the two Secrets
//     is restored from the other one at the next reconciliation. A new key is made on request only
//     (RotateAnnotation), or if both Secrets have lost it. Running instances take over the new key
//     and accept tokens of the previous key until they expire. Instances that start later refuse
//     these tokens, so that clients request new ones.
//   - After a write, the controller touches the proxy's pods at once and again after 2 s, so that
//     the kubelets update the mounted files.
package clients
