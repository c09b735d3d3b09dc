// Package signing implements the life of a sign operation: the request of a client service, the
// durable steps to the signed documents, and the interfaces for formats, providers, timestamps and
// the store.
//
// It imports no other package of this module. The entry points (api, hotfolder) call Service. The
// other packages (pades, provider/*, store, timestamp) implement the interfaces of interfaces.go.
// Only cmd knows which implementation is used for which interface.
//
// The life of an operation, with what is on disk after each step (README.md names the functions):
//
//  1. The entry point spools the documents (Upload) while they arrive, and hashes them.
//  2. Service.Submit creates the operation (Store.Create). From here it is accepted, and it always
//     ends with a result or a reason.
//  3. The worker prepares each document (Format.Prepare) and stores the Prepared value.
//  4. The batcher merges digests of independent operations of one credential into calls. The
//     callMaker records each call (Store.BeginCall) before it asks the provider. From here a
//     signature may exist.
//  5. The provider signs. The values are checked and stored (Store.EndCall) before anything uses
//     them.
//  6. Format.Embed makes the section and checks the signed document. The store keeps the section
//     and the list of pieces by which it is joined with the original (Store.FinishDocuments).
//  7. When no document is left, the operation is EXECUTED or EXECUTION_FAILED (Store.SetStatus).
//
// A restart continues from the last step that is on disk.
package signing
