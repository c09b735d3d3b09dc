// Package safe is a signing.Provider for SAFE, the Portuguese state's service that signs invoices
// (Serviço de Assinatura de Faturas Eletrónicas).
//
// SAFE resembles the CSC API with differences: two credentials on each call (HTTP Basic for the
// integrator, SAFEAuthorization for the account), a GUID in each body, hashes as DER DigestInfo,
// and answers that are fetched in a second step. A call is
//
//	POST /v2/credentials/authorize     hashes, under a fresh processId
//	GET  /credentials/authorize/verify until it gives the activation data (SAD); 204 = not yet
//	POST /v2/signatures/signHash       from here signatures may exist
//	GET  /signatures/signHash/verify   until it gives the values
//
// The processId is ours and is noted before signHash goes out, so that even an answer that was lost
// altogether can be fetched: at once, and by a later process (Resume).
//
// An account's access token ends after some days; updateToken then gives a new pair for the refresh
// token, and the old pair is worth nothing. So there is one writer: within the process, and among
// processes that share the account's file by a lock beside it. The pair is stored encrypted, before
// it is used.
package safe
