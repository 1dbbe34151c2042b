package lock

// SetWork makes scrypt cheap.
func (l *Lock) SetWork(logN int) { l.work = logN }

// Page is the memory that holds the identity; nil while locked.
func (l *Lock) Page() []byte {
	if l.page == nil {
		return nil
	}
	return l.page.memory
}

// Wiped is a page that held what is secret, as it is when it is given back.
func Wiped(secret []byte) ([]byte, error) {
	p, err := newPage(secret)
	if err != nil {
		return nil, err
	}
	p.wipe()
	return p.memory, nil
}
