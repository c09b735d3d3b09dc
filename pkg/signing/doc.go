// Package signing is the life of a sign operation: what a client service asks for, the durable
// steps on the way to signed documents, and the seams behind which formats, providers, timestamps
// and the store stand.
//
// It imports nothing of this module. Everything else points at it: the doors (api, hotfolder) call
// Service, the plugs (pades, provider/*, store, timestamp) implement the interfaces of seams.go,
// and only cmd knows which plug is in which seam.
//
// The life of an operation, with what is on disk after each step (README.md names the functions):
//
//  1. The door spools the documents (Upload) while they arrive, and hashes them.
//  2. Service.Submit creates the operation (Store.Create). From here it is accepted, and it ends
//     with a result or a reason whatever happens.
//  3. The worker prepares each document (Format.Prepare) and stores the Prepared value.
//  4. The batcher merges digests of independent operations of one credential into calls. The caller
//     records each call (Store.BeginCall) before it asks the provider. From here a signature may
//     exist.
//  5. The provider signs. The values are checked and stored (Store.EndCall) before anything uses them.
//  6. Format.Embed makes the appended section and checks it. The store keeps it
//     (Store.FinishDocuments).
//  7. When no document is left, the operation is EXECUTED or EXECUTION_FAILED (Store.SetStatus).
//
// A restart continues from the last step that is on disk.
package signing
