// Package clients renders the Secrets of client services into the one Secret that every instance of
// the proxy mounts.
//
// Rules, each with a test beside it:
//
//   - A Secret of type signstash.io/client-service is one client service: clientId, secret, optional previousSecret and
//     config (JSON), of which empty ones count as none. Other keys are left alone.
//   - The rendered Secret holds client-services-config.json, the key that signs tokens and, for each client service, from which Secret
//     it came. It is written only when something in it changes, and restored when somebody else changes or deletes it.
//   - A Secret that is broken keeps what was last rendered from it, as long as it is the same Secret (UID); so does one whose new
//     clientId belongs to another. Deleting a Secret removes its client service, broken or not.
//   - Of several Secrets with one clientId the oldest counts: by creationTimestamp, then by name.
//   - What does not fit into 1 MiB is left as it was last rendered.
//   - Every fault is told once, as a Warning event on the Secret, in words that hold no value of it.
//   - The token key is made where there is none, and never changed. Deleting it, or the rendered Secret, makes a new one: instances
//     that run take it over and accept tokens of the one before until they expire; to others these are void, and clients ask anew.
//   - After a write the proxy's pods are touched at once and again after 2 s, so that the kubelet brings their files up to date.
package clients
