//! From the environment to [`Raw`]: for each setting the one variable that sets it, still as text.

use super::{
    report::Fault,
    settings::{Facts, PREFIX, SETTINGS, Setting},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, btree_map::Iter},
    ffi::OsString,
};

/// What a byte that is not UTF-8 becomes in a value. No setting's value may contain it.
pub const NOT_UTF8: char = char::REPLACEMENT_CHARACTER;

/// The variables that are set: trimmed, none of them empty.
#[derive(Debug)]
pub struct Environment(BTreeMap<String, String>);

/// The variable that a setting is read from. Where none is set, one that has the canonical name and the
/// default.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Variable {
    /// The setting that it sets.
    pub setting: &'static Setting,
    /// Its name as the user wrote it.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The chosen variables. Each field is a setting: its canonical name in lower case, without our prefix. Those
/// without a default are optional.
#[derive(Debug, Deserialize)]
#[allow(missing_docs)] // the table of settings says what they are
pub struct Raw {
    pub port: Variable,
    pub https_port: Variable,
    pub redirect_port: Option<Variable>,
    pub bind: Variable,
    pub worker_port: Variable,
    pub worker_socket: Option<Variable>,
    pub upstream_url: Option<Variable>,
    pub http2: Variable,
    pub h2c: Variable,
    pub ssl_cert_path: Option<Variable>,
    pub ssl_key_path: Option<Variable>,
    pub acme_domain: Option<Variable>,
    pub acme_directory: Variable,
    pub acme_email: Option<Variable>,
    pub eab_kid: Option<Variable>,
    pub eab_hmac_key: Option<Variable>,
    pub health_path: Variable,
    pub hsts: Variable,
    pub storage_path: Variable,
    pub cache_size: Variable,
    pub max_cache_item_size: Variable,
    pub cache_fingerprinted: Variable,
    pub send_file: Variable,
    pub send_file_header: Variable,
    pub send_file_root: Option<Variable>,
    pub public_path: Option<Variable>,
    pub compression: Variable,
    pub compression_disable_on_auth: Variable,
    pub compression_jitter: Variable,
    pub max_request_body: Variable,
    pub forward_headers: Variable,
    pub trusted_proxies: Option<Variable>,
    pub idle_timeout: Variable,
    pub read_timeout: Variable,
    pub write_timeout: Variable,
    pub boot_timeout: Variable,
    pub bad_gateway_page: Variable,
    pub shutdown_delay: Variable,
    pub shutdown_timeout: Variable,
    pub log_requests: Variable,
    pub log_skip: Option<Variable>,
    pub log_format: Variable,
    pub log_level: Variable,
}

impl Environment {
    /// Takes the variables as they are; a name that is not UTF-8 is none of ours.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = BTreeMap::new();
        for (name, value) in variables {
            let value = value.to_string_lossy().trim().to_owned();
            if let (Ok(name), false) = (name.into_string(), value.is_empty()) {
                // Of a name that is there twice the first counts, as for getenv.
                environment.entry(name).or_insert(value);
            }
        }
        Self(environment)
    }

    /// Whether a variable of this name is set.
    pub fn sets(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The name that a setting is set by, if any.
    pub fn set_by(&self, setting: &str) -> Option<String> {
        Setting::known_as(setting)?.names().into_iter().find(|name| self.sets(name))
    }

    /// Names and values, by name.
    pub fn iter(&self) -> Iter<'_, String, String> {
        self.0.iter()
    }

    /// The chosen variables.
    ///
    /// Fails only where the table and [`Raw`] do not fit together.
    pub fn raw(&self, facts: Facts) -> Result<Raw, Fault> {
        // envy knows strings alone: a variable travels as the kernel hands it over, `NAME=value`.
        let chosen = SETTINGS.iter().filter_map(|setting| {
            let variable = self.choose(setting, None, facts)?;
            let field = setting.name.strip_prefix(PREFIX).unwrap_or(setting.name);
            Some((field.to_owned(), format!("{}={}", variable.name, variable.value)))
        });
        envy::from_iter(chosen).map_err(|error| Fault(error.to_string()))
    }

    /// The first variable set of those that set `setting`, or its default; `after` this name, where one is
    /// given.
    pub fn choose(&self, setting: &'static Setting, after: Option<&str>, facts: Facts) -> Option<Variable> {
        let names = setting.names();
        let skipped =
            after.and_then(|after| names.iter().position(|name| name == after)).map_or(0, |at| at + 1);
        let first = names.into_iter().skip(skipped).find_map(|name| {
            let value = self.0.get(&name)?.clone();
            Some(Variable { setting, name, value })
        });
        first.or_else(|| {
            let value = setting.default(facts).to_owned();
            (!value.is_empty()).then(|| Variable { setting, name: setting.name.to_owned(), value })
        })
    }
}

impl TryFrom<String> for Variable {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (name, value) = text.split_once('=').ok_or("a variable without a value")?;
        let setting = Setting::known_as(name).ok_or("a variable that sets nothing")?;
        Ok(Self { setting, name: name.to_owned(), value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    const FACTS: Facts = Facts { terminal: false, tls: false, thruster_tls: false };

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    /// Name and value of the variable that `PORT` is read from.
    fn port(variables: &[(&str, &str)]) -> (String, String) {
        let port = environment(variables).raw(FACTS).unwrap().port;
        (port.name, port.value)
    }

    #[test]
    fn the_table_fits_the_fields() {
        let raw = format!("{:?}", environment(&[]).raw(FACTS).unwrap());
        for setting in SETTINGS {
            let field = setting.name.strip_prefix(PREFIX).unwrap_or(setting.name).to_lowercase();
            assert!(raw.contains(&format!(" {field}: ")), "{} has no field in Raw", setting.name);
        }
    }

    #[test]
    fn the_first_one_set_wins() {
        let all = [("THRUST_HTTP_PORT", "1"), ("THRUSTER_HTTP_PORT", "2"), ("HTTP_PORT", "3"), ("PORT", "4")];
        for (skipped, (name, value)) in all.iter().enumerate() {
            assert_eq!(port(&all[skipped..]), (name.to_string(), value.to_string()));
        }
        assert_eq!(port(&[]), ("PORT".into(), "3000".into()));
    }

    #[test]
    fn empty_and_blank_are_not_set_and_surrounding_space_is_ignored() {
        let variables = [("THRUST_HTTP_PORT", ""), ("HTTP_PORT", " \t\n"), ("PORT", "\t80 \n")];
        assert_eq!(port(&variables), ("PORT".into(), "80".into()));
    }

    #[test]
    fn a_value_may_contain_equals_signs() {
        let raw = environment(&[("THRUST_BAD_GATEWAY_PAGE", "a=b=c")]).raw(FACTS).unwrap();
        assert_eq!(raw.bad_gateway_page.value, "a=b=c");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_marked_in_values_and_leave_names_out() {
        let bad = || OsString::from_vec(b"THRUST_\xff".to_vec());
        let environment = Environment::new([(bad(), "1".into()), ("THRUST_BIND".into(), bad())]);
        assert_eq!(environment.iter().count(), 1);
        assert!(environment.raw(FACTS).unwrap().bind.value.contains(NOT_UTF8));
    }
}
