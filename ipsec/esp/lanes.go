package esp

import "gatehouse/ipsec/sad"

// lane is a goroutine that does cryptography. Transforms keep working memory, so
// each SA has one for each lane that ever worked for it. Lane 0 is the goroutine
// that the SA belongs to, the next ones are the helpers, then come others.
type lane int

const ownLane lane = 0

// Lanes behind those of the helpers, of inbound SAs: of goroutines that bring
// packets of SAs which do not belong to one goroutine.
const (
	laneUDP4 lane = iota
	laneUDP6
	laneRaw    // and three more
	otherLanes = laneRaw + 4
)

func (e *Engine) inLanes() int { return 1 + e.crew.helpers + int(otherLanes) }

// outLanes are one more than those of the helpers: that of dummy packets.
func (e *Engine) outLanes() int { return 1 + e.crew.helpers + 1 }

func (e *Engine) dummyLane() lane { return lane(1 + e.crew.helpers) }

// other is a lane behind those of the helpers.
func (e *Engine) other(l lane) lane { return lane(1+e.crew.helpers) + l }

// cryptography is what protects the packets of an SA.
type cryptography struct {
	transform transform      // of ESP
	auth      *authenticator // of AH
}

func newCryptography(sa *sad.SA) (c cryptography, err error) {
	if sa.Protocol == sad.AH {
		c.auth, err = newAuthenticator(sa.Suite, sa.IntegrityKey, sa.ESN)
	} else {
		c.transform, err = newTransform(sa.Suite, sa.EncryptionKey, sa.IntegrityKey, sa.ESN)
	}
	return c, err
}

// lanes is an SA's cryptography, for each lane its own.
type lanes struct {
	cryptography                 // of lane 0
	others       []*cryptography // each used by one goroutine only
}

func newLanes(first cryptography, n int) lanes {
	return lanes{cryptography: first, others: make([]*cryptography, n-1)}
}

// at is the cryptography for a lane. It is made when first needed: most SAs never
// carry enough to be worked on by several.
func (c *lanes) at(sa *sad.SA, l lane) *cryptography {
	if l == ownLane {
		return &c.cryptography
	}
	k := &c.others[l-1]
	if *k == nil {
		made, err := newCryptography(sa)
		if err != nil {
			panic("what could be made once cannot be made again: " + err.Error())
		}
		*k = &made
	}
	return *k
}
