package csc

import (
	"encoding/json"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lenient"
)

// infoAnswer is the answer of info (CSC 11.1).
type infoAnswer struct {
	Specs        string       `json:"specs"`
	AuthType     lenient.List `json:"authType"`
	OAuth2       string       `json:"oauth2"`
	OAuth2Issuer string       `json:"oauth2Issuer"`
	Asynchronous bool         `json:"asynchronousOperationMode"`
	Methods      lenient.List `json:"methods"`
}

// empty reports whether the description is empty. Then something other than the service answered,
// or the service is still starting.
func (a infoAnswer) empty() bool {
	return a.Specs == "" && a.AuthType == nil && a.Methods == nil && a.OAuth2 == "" && a.OAuth2Issuer == ""
}

// listAnswer is the answer of credentials/list.
type listAnswer struct {
	CredentialIDs lenient.List `json:"credentialIDs"`
	NextPageToken string       `json:"nextPageToken"` // set when there are more pages
}

// presence is the description of a PIN or an OTP in v1.
type presence struct {
	Presence lenient.Word `json:"presence"` // true, false, optional
}

// authObject is the description in v2 of something that authorises the use of a key.
type authObject struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Generator string `json:"generator"` // set for passwords that change
}

// credentialAnswer is the answer of credentials/info in both versions.
type credentialAnswer struct {
	Key struct {
		Status string       `json:"status"`
		Algo   lenient.List `json:"algo"`
	} `json:"key"`
	Cert struct {
		Status       string       `json:"status"`
		Certificates lenient.List `json:"certificates"`
	} `json:"cert"`
	AuthMode string   `json:"authMode"` // v1
	PIN      presence `json:"PIN"`      // v1
	OTP      presence `json:"OTP"`      // v1
	Auth     struct {
		Mode       string          `json:"mode"`
		Expression string          `json:"expression"`
		Objects    json.RawMessage `json:"objects"`
	} `json:"auth"` // v2
	Multisign lenient.Number `json:"multisign"`
}

// authorizeAnswer is the answer of credentials/authorize and authorizeCheck.
type authorizeAnswer struct {
	SAD    string `json:"SAD"`
	Handle string `json:"handle"`
}

// signAnswer is the answer of signatures/signHash and signPolling.
type signAnswer struct {
	Signatures []string `json:"signatures"`
	ResponseID string   `json:"responseID"`
}

// errorAnswer is the body of every refusal (CSC 10.2, RFC 6749 5.2).
type errorAnswer struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// tokenAnswer is the answer of a token endpoint (RFC 6749 5.1).
type tokenAnswer struct {
	AccessToken string          `json:"access_token"`
	ExpiresIn   *lenient.Number `json:"expires_in"`
}

// The requests. Fields that exist in one version only are omitted in the other.

type listRequest struct {
	UserID    string `json:"userID,omitempty"`
	PageToken string `json:"pageToken,omitempty"`
}

type credentialRequest struct {
	CredentialID string `json:"credentialID"`
	Certificates string `json:"certificates"`
	CertInfo     bool   `json:"certInfo,omitempty"`
	AuthInfo     bool   `json:"authInfo"`
}

type authValue struct {
	ID    string `json:"id"`
	Value string `json:"value"`
}

type authorizeRequest struct {
	CredentialID     string       `json:"credentialID"`
	NumSignatures    int          `json:"numSignatures"`
	Hash             []string     `json:"hash,omitempty"`             // v1
	PIN              string       `json:"PIN,omitempty"`              // v1
	OTP              string       `json:"OTP,omitempty"`              // v1
	Hashes           []string     `json:"hashes,omitempty"`           // v2
	HashAlgorithmOID string       `json:"hashAlgorithmOID,omitempty"` // v2
	AuthData         *[]authValue `json:"authData,omitempty"`         // v2; present but empty when no secret is needed
	ClientData       string       `json:"clientData,omitempty"`
}

type signRequest struct {
	CredentialID     string   `json:"credentialID"`
	SAD              string   `json:"SAD"`
	Hash             []string `json:"hash,omitempty"`             // v1
	HashAlgo         string   `json:"hashAlgo,omitempty"`         // v1
	Hashes           []string `json:"hashes,omitempty"`           // v2
	HashAlgorithmOID string   `json:"hashAlgorithmOID,omitempty"` // v2
	SignAlgo         string   `json:"signAlgo"`
	SignAlgoParams   string   `json:"signAlgoParams,omitempty"`
	OperationMode    string   `json:"operationMode,omitempty"` // v2
	ClientData       string   `json:"clientData,omitempty"`
}
