package safe

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lenient"
)

// maxNumSignatures is the largest number of hashes in one call
// (SignHashAuthorizationRequestDto.numSignatures).
const maxNumSignatures = 10

// signAlgo is the only signature algorithm of SAFE: sha256WithRSAEncryption.
const signAlgo = "1.2.840.113549.1.1.11"

// clientData is the part that every body contains.
type clientData struct {
	ProcessID     string   `json:"processId"`
	ClientName    string   `json:"clientName"`
	DocumentNames []string `json:"documentNames,omitempty"`
}

// request is the body of every call.
type request struct {
	CredentialID  string     `json:"credentialID,omitempty"`
	Certificates  string     `json:"certificates,omitempty"`
	NumSignatures int        `json:"numSignatures,omitempty"`
	Hashes        []string   `json:"hashes,omitempty"`
	SAD           string     `json:"sad,omitempty"` // lower case, unlike in the CSC API
	SignAlgo      string     `json:"signAlgo,omitempty"`
	ClientData    clientData `json:"clientData"`
}

// answer has the fields of all answers.
type answer struct {
	CredentialIDs   lenient.List `json:"credentialIDs"`
	SAD             string       `json:"sad"`
	Signatures      []string     `json:"signatures"`
	NewAccessToken  string       `json:"newAccessToken"`
	NewRefreshToken string       `json:"newRefreshToken"`
	Key             struct {
		Status string `json:"status"`
	} `json:"key"`
	Cert struct {
		Certificates lenient.List `json:"certificates"`
	} `json:"cert"`
	Multisign lenient.Number `json:"multisign"`
}

// errorAnswer is the body of every refusal.
type errorAnswer struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// newProcessID returns a GUID of version 4 (RFC 9562 5.4) in lower case.
func newProcessID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// digestInfoSHA256 is the DER of DigestInfo for SHA-256 (RFC 8017 9.2, note 1) up to the digest.
const digestInfoSHA256 = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"

// digestInfos returns the hashes in the form that SAFE expects.
func digestInfos(digests [][]byte) []string {
	out := make([]string, len(digests))
	for i, d := range digests {
		out[i] = base64.StdEncoding.EncodeToString(append([]byte(digestInfoSHA256), d...))
	}
	return out
}

// documentNames returns invented names. SAFE requires a name for each hash and shows it to the
// owner of the account. The real names stay on the premises.
func documentNames(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("document %d", i+1)
	}
	return out
}
