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
