// Package signing is the life of a sign operation: what a client service asks for, the durable
// steps on the way to signed documents, and the seams behind which formats, providers, timestamps
// and the store stand.
//
// It imports nothing of this module. Everything else points at it: the doors (api, hotfolder) call
// Service, the plugs (pades, provider/*, store, timestamp) implement the interfaces of seams.go,
// and only cmd knows which plug is in which seam.
//
// The way of an operation, with what is on disk after each step:
//
//  1. The door spools the documents (Upload) while they arrive, hashing them on the way.
//  2. Service.Submit creates the operation (Store.Create): from here it is accepted and ends, whatever happens.
//  3. The worker prepares each document (Format.Prepare) and stores the Prepared value.
//  4. The batcher merges digests of independent operations of one credential into calls, and records each call (Store.BeginCall)
//     before the provider is asked: from here a signature may exist.
//  5. The provider signs; the values are checked and stored (Store.EndCall) before anything uses them.
//  6. Format.Embed makes the appended section, checks it, and the store keeps it (Store.FinishDocuments).
//  7. When no document is left the operation is EXECUTED or EXECUTION_FAILED (Store.SetStatus).
//
// A restart goes on from the last step that is on disk.
package signing
