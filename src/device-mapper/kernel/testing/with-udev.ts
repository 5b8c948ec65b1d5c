// For tests: to be imported before all else. libdevmapper looks at this variable when it is loaded; the kernel of the tests has it set.
delete process.env["DM_DISABLE_UDEV"];
