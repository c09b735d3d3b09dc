package service

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"time"
)

// maxWrongPINs in a row lock a credential.
const maxWrongPINs = 3

func (c *credential) blocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrongPINs >= maxWrongPINs
}

func (c *credential) rightPIN(pin string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pin == c.PIN {
		c.wrongPINs = 0
		return true
	}
	c.wrongPINs++
	return false
}

// rightOTP accepts the configured password any number of times. With OTPOnce it accepts any
// password that it has not seen before.
func (c *credential) rightOTP(otp string) bool {
	if c.TOTPKey != "" {
		return otp == totp([]byte(c.TOTPKey), time.Now())
	}
	if c.OTP == "" || !c.OTPOnce {
		return otp == c.OTP || c.OTP == ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if otp == "" || c.usedOTPs[otp] {
		return false
	}
	if c.usedOTPs == nil {
		c.usedOTPs = make(map[string]bool)
	}
	c.usedOTPs[otp] = true
	return true
}

func (c *credential) wantsOTP() bool { return c.OTP != "" || c.TOTPKey != "" }

// totp is the time-based password of RFC 6238 with SHA-1, 30 s and 6 digits.
func totp(key []byte, at time.Time) string {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	code := binary.BigEndian.Uint32(sum[sum[19]&0x0f:]) & 0x7fffffff
	return fmt.Sprintf("%06d", code%1_000_000)
}
