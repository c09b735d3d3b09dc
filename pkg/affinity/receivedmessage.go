package affinity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// ReceivedMessage is a message of another instance. The instance in Message.From is authenticated.
type ReceivedMessage struct {
	keyhome.Message
	token messageToken
	key   []byte
}

// Receive authenticates a request to MessagePath and reads its message. It reads nothing of the
// body before the sender has proved that it has the shared key. The error has these kinds:
//
//   - KindNotFound: no key is shared. The sender treats this instance as one without key homes.
//   - KindUnauthenticated: the proof is missing or wrong, or does not cover this body, or the
//     message is for another instance. The latter happens when the sender has a stale address.
//   - KindTooLarge, KindHungUp, KindMalformed, KindInvalid: the body cannot be used.
//
// No answer but that of ReceivedMessage.Answer is believed by the sender.
func (m *Messenger) Receive(r *http.Request) (*ReceivedMessage, error) {
	keys := m.cfg.Keys.valid()
	if len(keys) == 0 {
		return nil, signing.Errorf(signing.KindNotFound, "no key is shared with other instances (--token.signing.key)")
	}
	token, key, ok := openMessageToken(r.Header.Get("Authorization"), keys)
	switch {
	case !ok:
		return nil, signing.Errorf(signing.KindUnauthenticated, "the message is too old, or not signed with the shared key")
	case token.To != m.cfg.Ordinal || !m.cfg.Identity.Is(token.Target):
		return nil, signing.Errorf(signing.KindUnauthenticated, "the message is for another instance")
	case r.ContentLength > maxMessageBytes:
		return nil, tooLargeMessage()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMessageBytes+1))
	sum := sha256.Sum256(body)
	switch {
	case err != nil && signing.KindOf(err) != signing.KindInternal:
		return nil, err
	case err != nil:
		return nil, signing.Errorf(signing.KindHungUp, "the message ended early").Because(err)
	case len(body) > maxMessageBytes:
		return nil, tooLargeMessage()
	case !hmac.Equal(sum[:], token.Body):
		return nil, signing.Errorf(signing.KindUnauthenticated, "the signature of the message is for another body")
	}
	received := &ReceivedMessage{token: token, key: key}
	if err := json.Unmarshal(body, &received.Message); err != nil {
		return nil, signing.Errorf(signing.KindMalformed, "the message cannot be decoded").Because(err)
	}
	return received, received.validate(m.cfg.Ordinal)
}

func tooLargeMessage() error {
	return signing.Errorf(signing.KindTooLarge, "the message has more than %d bytes", maxMessageBytes)
}

// validate checks what every message must have. ordinal is that of this instance.
func (r *ReceivedMessage) validate(ordinal int) error {
	switch {
	case r.From != r.token.From:
		return signing.Errorf(signing.KindUnauthenticated, "from: the message names instance %d, but %d has signed it",
			r.From, r.token.From)
	case r.From < 0 || r.From >= MaxInstances || r.From == ordinal:
		return signing.Errorf(signing.KindInvalid, "from: %d is not another instance", r.From)
	case len(r.Claims) > keyhome.PageSize:
		return signing.Errorf(signing.KindInvalid, "claims: there are %d, the limit is %d", len(r.Claims), keyhome.PageSize)
	}
	return nil
}

// Answer writes the reply, with the proof that this instance has given it. InstanceHeader must be
// set already.
func (r *ReceivedMessage) Answer(w http.ResponseWriter, reply keyhome.Reply) error {
	body, err := json.Marshal(reply)
	if err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	return r.answer(w, body)
}

func (r *ReceivedMessage) answer(w http.ResponseWriter, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set(ProofHeader, r.token.proof(r.key, sha256.Sum256(body)))
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body)
	return err
}
