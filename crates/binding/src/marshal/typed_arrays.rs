//! Memory of JavaScript that Rust writes to.

use std::ptr;

use napi::bindgen_prelude::{Error, Float64ArraySlice, JsValue, Result, Uint8ArraySlice};
use napi::{Status, sys};

/// The elements of an array.
///
/// # Errors
/// The array is on a SharedArrayBuffer.
pub fn floats<'a>(array: &'a mut Float64ArraySlice<'_>) -> Result<&'a mut [f64]> {
    reject_shared(array)?;
    // SAFETY: no other thread has the memory, and JavaScript on this one does not run before we return. Nothing else of us
    // refers to it: the arrays of one call are read before one of them is written to.
    Ok(unsafe { array.as_mut() })
}

/// The bytes of an array.
///
/// # Errors
/// The array is on a SharedArrayBuffer.
pub fn bytes<'a>(array: &'a mut Uint8ArraySlice<'_>) -> Result<&'a mut [u8]> {
    reject_shared(array)?;
    // SAFETY: as in `floats`.
    Ok(unsafe { array.as_mut() })
}

/// Other threads may read and write a SharedArrayBuffer. Node-API does not count it as an ArrayBuffer.
fn reject_shared<'a>(array: &impl JsValue<'a>) -> Result<()> {
    let array = array.value();
    let mut buffer = ptr::null_mut();
    // SAFETY: `array` is a typed array of this environment, as its slice has made sure; what is NULL is not written.
    let told = unsafe {
        sys::napi_get_typedarray_info(
            array.env,
            array.value,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut buffer,
            ptr::null_mut(),
        )
    };
    let mut is_ours = false;
    // SAFETY: `buffer` is what the call before has given, or NULL, which is refused.
    let asked = unsafe { sys::napi_is_arraybuffer(array.env, buffer, &raw mut is_ours) };
    if told == sys::Status::napi_ok && asked == sys::Status::napi_ok && is_ours {
        return Ok(());
    }
    let reason = "the array must not be on a SharedArrayBuffer";
    Err(Error::new(Status::InvalidArg, reason))
}
