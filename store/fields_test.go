package store

import (
	"fmt"
	"iter"
	"net/netip"
	"reflect"
)

// change is a change of one field of a document.
type change struct {
	name string
	set  func(*Document)
}

// eachField yields a change for every field that doc has, down to the elements
// of its lists.
func eachField(doc Document) iter.Seq[change] {
	return func(yield func(change) bool) {
		for _, at := range leaves(reflect.ValueOf(doc), nil, "") {
			if at.name == ".Version" {
				continue
			}
			if !yield(change{at.name, func(d *Document) { at.change(reflect.ValueOf(d).Elem()) }}) {
				return
			}
		}
	}
}

// leaf is the way to one field: numbers of fields and elements.
type leaf struct {
	name string
	path []int
}

func leaves(v reflect.Value, path []int, name string) (out []leaf) {
	switch v.Interface().(type) {
	case netip.Prefix, netip.Addr, AddressRange, Network, Target:
		return []leaf{{name, path}}
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			out = append(out, leaves(v.Field(i), append(path[:len(path):len(path)], i), name+"."+v.Type().Field(i).Name)...)
		}
	case reflect.Slice:
		if v.Len() == 0 {
			return []leaf{{name, path}}
		}
		for i := range v.Len() {
			out = append(out, leaves(v.Index(i), append(path[:len(path):len(path)], i), fmt.Sprintf("%s[%d]", name, i))...)
		}
	default:
		return []leaf{{name, path}}
	}
	return out
}

func (l leaf) change(v reflect.Value) {
	for _, i := range l.path {
		if v.Kind() == reflect.Slice {
			v = v.Index(i)
		} else {
			v = v.Field(i)
		}
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.Append(v, another(reflect.Zero(v.Type().Elem()))))
		return
	}
	v.Set(another(v))
}

// another value of the same type.
func another(v reflect.Value) reflect.Value {
	switch v.Interface().(type) {
	case netip.Prefix:
		return reflect.ValueOf(netip.MustParsePrefix("192.0.2.77/32"))
	case netip.Addr:
		return reflect.ValueOf(netip.MustParseAddr("192.0.2.77"))
	case Network:
		return reflect.ValueOf(networks("192.0.2.77/32")[0])
	case Target:
		return reflect.ValueOf(Target{Addr: netip.MustParseAddr("192.0.2.77")})
	case AddressRange:
		return reflect.ValueOf(ranges("192.0.2.77")[0])
	}
	n := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		n.SetString("other " + v.String())
	case reflect.Bool:
		n.SetBool(!v.Bool())
	case reflect.Int:
		n.SetInt(v.Int() + 1)
	case reflect.Uint16, reflect.Uint32:
		n.SetUint(v.Uint() + 1)
	case reflect.Slice:
	case reflect.Struct:
		for i := range v.NumField() {
			n.Field(i).Set(another(v.Field(i)))
		}
	default:
		panic("no other value of " + v.Type().String())
	}
	return n
}
