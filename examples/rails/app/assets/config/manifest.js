//= link action_cable.js
//= link application.js
//= link application.css
