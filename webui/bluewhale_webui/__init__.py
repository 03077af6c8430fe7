"""The pages and the API: Bottle routes over store.reads."""
