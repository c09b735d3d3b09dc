package cosign

import (
	"encoding/json"
	"errors"
	"fmt"
)

// payloadType is the type of in-toto statements in DSSE envelopes.
const payloadType = "application/vnd.in-toto+json"

// envelope is a DSSE envelope (github.com/secure-systems-lab/dsse, envelope.md).
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     []byte              `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// preAuthEncoding returns the bytes that a DSSE signature covers (dsse, protocol.md).
func preAuthEncoding(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// Seal returns statement in an envelope that is signed with key.
func Seal(key PrivateKey, statement []byte) ([]byte, error) {
	sig, err := key.Sign(preAuthEncoding(statement))
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{payloadType, statement, []envelopeSignature{{Sig: sig}}})
}

// ErrOtherKey says that no signature is one of the expected key.
var ErrOtherKey = errors.New("it has no signature of this key")

// Unseal returns the statement in an envelope. It fails if key has not signed it.
func Unseal(key PublicKey, sealed []byte) ([]byte, error) {
	var e envelope
	if err := json.Unmarshal(sealed, &e); err != nil {
		return nil, fmt.Errorf("parse the envelope: %w", err)
	}
	if e.PayloadType != payloadType {
		return nil, fmt.Errorf("the envelope has the payload type %q, want %q", e.PayloadType, payloadType)
	}
	for _, s := range e.Signatures {
		if key.Verify(preAuthEncoding(e.Payload), s.Sig) {
			return e.Payload, nil
		}
	}
	return nil, ErrOtherKey
}
