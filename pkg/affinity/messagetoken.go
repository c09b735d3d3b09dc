package affinity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"
)

// messageToken authorizes one message of key homes. It proves that an instance with the shared key
// has made the message for the instance To. Whoever steals it can only send the same message to the
// same instance for a short while, which harms nothing: see pkg/keyhome.
type messageToken struct {
	ID     string `json:"id"` // random; the answer is bound to it
	From   int    `json:"from"`
	To     int    `json:"to"`
	Target string `json:"target,omitempty"` // run of the asked instance, by the peers file
	Issued int64  `json:"issued"`           // Unix seconds
	Body   []byte `json:"body"`             // SHA-256 of the message
}

const (
	// messageScheme is the scheme of the Authorization header of a message.
	messageScheme = "Signstash-Message "
	// messageLifetime is how long a message may be on its way. It is short because a message is sent
	// at once.
	messageLifetime = 30 * time.Second
	// maxMessageToken bounds the header before it is decoded. A token has about 300 bytes.
	maxMessageToken = 2 << 10

	messagePurpose = "signstash key home message"
	replyPurpose   = "signstash key home reply"
)

// newMessageToken returns a token for a message whose SHA-256 is body.
func newMessageToken(from int, to *Published, body [sha256.Size]byte) messageToken {
	return messageToken{
		ID: rand.Text(), From: from, To: to.Ordinal, Target: to.Instance, Issued: time.Now().Unix(), Body: body[:],
	}
}

// header returns the Authorization header.
func (t *messageToken) header(key []byte) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	encoded := base64.RawURLEncoding.EncodeToString(text)
	mac := authenticate(key, messagePurpose, []byte(encoded))
	return messageScheme + encoded + "." + base64.RawURLEncoding.EncodeToString(mac), nil
}

// openMessageToken returns the token of an Authorization header, and the one of the keys that has
// signed it. ok is false if none has, or if it is too old or from the future.
func openMessageToken(header string, keys [][]byte) (t messageToken, key []byte, ok bool) {
	rest, found := strings.CutPrefix(header, messageScheme)
	encoded, signature, _ := strings.Cut(rest, ".")
	given, err := base64.RawURLEncoding.DecodeString(signature)
	if !found || len(header) > maxMessageToken || err != nil {
		return t, nil, false
	}
	for _, k := range keys {
		if hmac.Equal(given, authenticate(k, messagePurpose, []byte(encoded))) {
			key = k
		}
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if key == nil || err != nil || json.Unmarshal(text, &t) != nil {
		return t, nil, false
	}
	age := time.Since(time.Unix(t.Issued, 0))
	return t, key, age <= messageLifetime+clockSkew && age >= -clockSkew
}

// proof returns the ProofHeader of the answer. Only an instance that has the key and has received
// the token can give it. It covers the body of the answer.
func (t *messageToken) proof(key []byte, body [sha256.Size]byte) string {
	to := binary.BigEndian.AppendUint64(nil, uint64(t.To))
	mac := authenticate(key, replyPurpose, []byte(t.ID), to, body[:])
	return base64.RawURLEncoding.EncodeToString(mac)
}
