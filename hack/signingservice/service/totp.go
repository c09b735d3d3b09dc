package service

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"time"
)

func (c *credential) wantsOTP() bool { return c.OTP != "" || c.TOTPKey != "" }

// totp is the time-based password of RFC 6238 with SHA-1, 30 s and 6 digits.
func totp(key []byte, at time.Time) string {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	code := binary.BigEndian.Uint32(sum[sum[19]&0x0f:]) & 0x7fffffff
	return fmt.Sprintf("%06d", code%1_000_000)
}
