// Package safe is a signing.Provider for SAFE, the service of the Portuguese state that signs
// invoices (Serviço de Assinatura de Faturas Eletrónicas).
//
// SAFE resembles the CSC API, with these differences: each call has two credentials (HTTP Basic for
// the integrator, SAFEAuthorization for the account), each body has a GUID, hashes are DER
// DigestInfo structures, and answers are fetched in a second step. A signature takes these calls:
//
//	POST /v2/credentials/authorize     hashes, under a fresh processId
//	GET  /credentials/authorize/verify until it returns the activation data (SAD); 204 = not yet
//	POST /v2/signatures/signHash       from here on signatures may exist
//	GET  /signatures/signHash/verify   until it returns the values
//
// We choose the processId and record it before signHash is sent. So even if the answer is lost
// completely, the values can be fetched, either at once or by a later process (Resume).
//
// The access token of an account expires after some days. Then updateToken exchanges the refresh
// token for a new pair, and the old pair becomes invalid. So only one writer may renew: a lock
// within the process, and a lock file beside the account file among the processes that share it,
// make sure of that. The new pair is stored encrypted before it is used.
package safe
