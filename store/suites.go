package store

// SuiteNames are the proposals that a branch may name: ciphers, each with a
// key exchange group for IKE, and with one or none (no perfect forward
// secrecy) for ESP.
func SuiteNames() (ike, esp []string) {
	for _, cipher := range []string{"aes256gcm16", "aes128gcm16", "aes256-sha256", "aes128-sha256"} {
		esp = append(esp, cipher)
		for _, group := range []string{"x25519", "ecp256", "modp2048"} {
			ike = append(ike, cipher+"-"+group)
			esp = append(esp, cipher+"-"+group)
		}
	}
	return ike, esp
}
