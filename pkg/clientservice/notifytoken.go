package clientservice

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// notifyPurpose is what a notify token says, signed with the secret.
const notifyPurpose = "hotfolder/notify"

// notifyToken returns the token with which senders of notifications authenticate that cannot send
// headers: HMAC-SHA256 of a constant text, in hexadecimal. It allows notifications for the hot
// folder and nothing else, because the address of a receiver, in which it is sent, appears in logs
// and consoles. It becomes invalid with the secret.
func notifyToken(secret Secret) string {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	_, _ = mac.Write([]byte(notifyPurpose)) // a hash never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// AuthenticateNotifier returns the client service with that id if token is its notify token, made
// with the secret or the previous secret, and that secret. Otherwise it returns nil. An unknown id
// takes as long as a wrong token.
func (s *Services) AuthenticateNotifier(id, token string) (*ClientService, Secret) {
	c := s.byID[id]
	known := c != nil
	if !known {
		c = &ClientService{}
	}
	var shown Secret
	for _, secret := range []Secret{c.PreviousSecret, c.Secret} {
		if NewSecret(notifyToken(secret)).Matches(token) && !secret.IsZero() {
			shown = secret
		}
	}
	if !known || shown.IsZero() {
		return nil, Secret{}
	}
	return c, shown
}
