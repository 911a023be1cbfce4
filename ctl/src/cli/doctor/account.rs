//! The credential file, as it stands on the disk.

use std::time::Duration;

use bitrouter_proto::{
    account::Identity,
    clock,
    codes::CheckCode,
    credential_file::{self, UnusableFile},
    files::PlaceError,
    paths::Places,
    shell,
    terminal::visible_line,
};

use super::check::Check;
use crate::cli::identity::login_again;

/// Whether it can be used.
pub(super) fn file(places: &Places) -> Check {
    let path = credential_file::path(places);
    let quoted = shell::quoted(&path.to_string_lossy());
    match credential_file::read(&path) {
        Ok(None) => Check::good(CheckCode::Credential, "there is none"),
        Ok(Some(credential)) => {
            let identity = Identity::stored(&credential, false, &path, clock::wall_now());
            let is_over = |at: &Option<String>| {
                at.as_deref().is_some_and(|at| clock::ahead(at, clock::wall_now()) == Some(Duration::ZERO))
            };
            if is_over(&identity.refresh_token_expires_at) {
                let message = format!("the session in `{}` can be renewed no more", path.display());
                return Check::error(CheckCode::Credential, message).cure(login_again(&identity));
            }
            let server = identity.authorization_server.as_deref().unwrap_or(&identity.base_url);
            Check::good(CheckCode::Credential, format!("`{}` is for {}", path.display(), visible_line(server)))
        }
        Err(error) => {
            let cure = match &error {
                UnusableFile::Exposed { .. } => format!("chmod 600 {quoted}"),
                UnusableFile::Place(PlaceError::Symlink(_) | PlaceError::HardLink(_) | PlaceError::NotAFile(_)) => {
                    format!("rm {quoted}")
                }
                UnusableFile::Place(PlaceError::Foreign { me, .. }) => format!("sudo chown {me} {quoted}"),
                UnusableFile::Place(_) => format!("ls -l {quoted}"),
                UnusableFile::TooLong(_) | UnusableFile::Content { .. } => "bitrouter auth login".to_owned(),
            };
            Check::error(CheckCode::Credential, error.to_string()).cure(cure)
        }
    }
}
