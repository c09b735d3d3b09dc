//go:build pkcs11 && cgo

package pkcs11

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"
)

// connection is a login to the token with its sessions and the key. When the token is removed, the
// whole connection is dropped.
type connection struct {
	ctx      *pkcs11.Ctx
	slot     uint
	sessions []pkcs11.SessionHandle
	idle     chan pkcs11.SessionHandle
	key      pkcs11.ObjectHandle
	id       []byte // CKA_ID of the key, which its certificate shares
	kind     uint   // CKA_KEY_TYPE
	always   bool   // CKA_ALWAYS_AUTHENTICATE: each signature needs the PIN
}

// connect opens the sessions, logs in and finds the key.
func (m *Module) connect(cfg Config) (_ *connection, err error) {
	slot, err := m.findSlot(cfg)
	if err != nil {
		return nil, err
	}
	c := &connection{ctx: m.ctx, slot: slot, idle: make(chan pkcs11.SessionHandle, cfg.Sessions)}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	for range cfg.Sessions {
		s, err := m.ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
		if errors.Is(err, pkcs11.Error(pkcs11.CKR_SESSION_COUNT)) && len(c.sessions) > 0 {
			break // the token has fewer sessions than we want
		}
		if err != nil {
			return nil, fmt.Errorf("open session: %w", err)
		}
		c.sessions = append(c.sessions, s)
		c.idle <- s
	}
	if cfg.PIN != "" {
		// A login is valid for all sessions of this process with the token. Another credential may have
		// logged in before.
		err := m.ctx.Login(c.sessions[0], pkcs11.CKU_USER, cfg.PIN)
		if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
			return nil, fmt.Errorf("log in: %w", err)
		}
	}
	if err := c.findKey(cfg); err != nil {
		return nil, err
	}
	return c, nil
}

// close closes the sessions. The token logs out when the last session of the process is closed.
func (c *connection) close() {
	for _, s := range c.sessions {
		_ = c.ctx.CloseSession(s) // the token may have been removed: then they are closed already
	}
}

func (c *connection) findKey(cfg Config) error {
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}
	if cfg.KeyLabel != "" {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, cfg.KeyLabel))
	}
	if len(cfg.KeyID) > 0 {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, cfg.KeyID))
	}
	keys, err := c.find(template, 2)
	if err != nil {
		return fmt.Errorf("find key: %w", err)
	}
	if len(keys) != 1 {
		return fmt.Errorf("%d keys fit the label and id, want 1: %w", len(keys), errNoKey)
	}
	c.key = keys[0]
	values, err := c.ctx.GetAttributeValue(c.sessions[0], c.key, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_ID, nil), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, nil),
	})
	if err != nil {
		return fmt.Errorf("read key attributes: %w", err)
	}
	c.id, c.kind = values[0].Value, number(values[1].Value)
	// Some libraries do not know this attribute. They have no keys that need the PIN each time.
	always := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ALWAYS_AUTHENTICATE, nil)}
	if values, err := c.ctx.GetAttributeValue(c.sessions[0], c.key, always); err == nil {
		c.always = number(values[0].Value) != 0
	}
	return nil
}

var errNoKey = errors.New("no key matches, or more than one")

// number reads a CK_ULONG or CK_BBOOL. They are little-endian on every platform on which cgo runs
// PKCS #11 modules.
func number(value []byte) uint {
	var n uint
	for i := len(value) - 1; i >= 0; i-- {
		n = n<<8 | uint(value[i])
	}
	return n
}

// find returns at most limit objects that match template.
func (c *connection) find(template []*pkcs11.Attribute, limit int) ([]pkcs11.ObjectHandle, error) {
	s := c.sessions[0]
	if err := c.ctx.FindObjectsInit(s, template); err != nil {
		return nil, err
	}
	objects, _, err := c.ctx.FindObjects(s, limit)
	return objects, errors.Join(err, c.ctx.FindObjectsFinal(s))
}
