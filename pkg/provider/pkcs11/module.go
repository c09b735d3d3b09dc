//go:build pkcs11 && cgo

package pkcs11

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"
)

// Built says whether this program supports PKCS #11.
const Built = true

// Module is a loaded PKCS #11 library. It is safe for concurrent use.
type Module struct {
	ctx *pkcs11.Ctx
}

// OpenModule loads the library at path and initialises it. A process must do so only once for each
// library.
func OpenModule(path string) (*Module, error) {
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("load PKCS #11 library %s: it cannot be loaded", path)
	}
	if err := ctx.Initialize(); err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		ctx.Destroy()
		return nil, fmt.Errorf("initialise PKCS #11 library %s: %w", path, err)
	}
	return &Module{ctx}, nil
}

// Close unloads the library. Its providers must be closed before.
func (m *Module) Close() error {
	err := m.ctx.Finalize()
	m.ctx.Destroy()
	if err != nil {
		return fmt.Errorf("finalise PKCS #11 library: %w", err)
	}
	return nil
}

// findSlot returns the slot of the token that cfg names. It is called for each connection, because
// a token may get another slot when it is plugged in again.
func (m *Module) findSlot(cfg Config) (uint, error) {
	slots, err := m.ctx.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("list slots: %w", err)
	}
	var found []uint
	for _, slot := range slots {
		info, err := m.ctx.GetTokenInfo(slot)
		if err != nil {
			continue // another token may have been removed
		}
		label, serial := strings.TrimRight(info.Label, " \x00"), strings.TrimRight(info.SerialNumber, " \x00")
		if (cfg.TokenLabel == "" || cfg.TokenLabel == label) && (cfg.TokenSerial == "" || cfg.TokenSerial == serial) {
			found = append(found, slot)
		}
	}
	switch len(found) {
	case 0:
		return 0, errNoToken
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("%d tokens have that label: name the serial number too", len(found))
}

var errNoToken = errors.New("no token matches")
