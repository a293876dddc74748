package store

import (
	"encoding/json"
	"net/netip"
	"reflect"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON Schema (2020-12) of a configuration document.
func Schema() []byte {
	r := &jsonschema.Reflector{
		ExpandedStruct: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[netip.Prefix]():
				return &jsonschema.Schema{Type: "string", Description: "An IP address or network with its length, as in 10.1.0.0/24 or fd00:1::/64."}
			case reflect.TypeFor[netip.Addr]():
				return &jsonschema.Schema{Type: "string", Description: "An IPv4 or IPv6 address."}
			case reflect.TypeFor[Network]():
				return &jsonschema.Schema{Type: "string", Description: "A network with its length, as in 10.1.0.0/24; or what follows the IPv6 prefix of an interface: office+::80 is a host behind it, office+::/64 the prefix itself."}
			case reflect.TypeFor[Target]():
				return &jsonschema.Schema{Type: "string", Description: "An IPv4 or IPv6 address; or a host that follows the IPv6 prefix of an interface, as in office+::80."}
			case reflect.TypeFor[AddressRange]():
				return &jsonschema.Schema{Type: "string", Description: "An address, a network or a range, as in 10.1.0.20-10.1.0.29."}
			}
			return nil
		},
	}
	s := r.Reflect(&Document{})
	s.Title = "Gatehouse configuration"
	// The schema has no address on the internet yet; a name of its own is
	// enough to refer to it.
	s.ID = "urn:gatehouse:config:1"
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // a value that cannot be marshalled would be a bug of the types above
	}
	return append(text, '\n')
}

// JSONSchemaExtend gives the form of proposals, of ESP or of AH.
func (Child) JSONSchemaExtend(s *jsonschema.Schema) {
	if list, ok := s.Properties.Get("proposals"); ok {
		list.Items.Pattern = suitePattern(false) + "|" + ahPattern()
	}
}

// JSONSchemaExtend gives the form of proposals.
func (Branch) JSONSchemaExtend(s *jsonschema.Schema) {
	for field, ike := range map[string]bool{"ike_proposals": true, "esp_proposals": false} {
		if list, ok := s.Properties.Get(field); ok {
			list.Items.Pattern = suitePattern(ike)
		}
	}
}
